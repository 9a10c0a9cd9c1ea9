"""A Dockerfile rewritten by the rules until none has anything to edit, and the patch.  Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

import msgspec

from lamina.dockerfile.source import Span
from lamina.errors import EngineError
from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Edit, Finding, apply, before, behind, clash
from lamina.rewrite.rules import RULES, judge

_MOST_PASSES = 50


class NotSettled(EngineError):
    """Edits call for edits without end: a mistake in a rule."""

    def __init__(self, rules: Collection[str]) -> None:
        super().__init__(f"the rules {', '.join(sorted(rules))} undo each other's edits")


class Rewritten(msgspec.Struct, frozen=True):
    """What became of a Dockerfile."""

    old: str
    new: str
    made: tuple[Finding, ...]
    """Findings whose edits were made; places are those of the old text."""
    suggested: tuple[Finding, ...]
    """What is left to judge; places are those of the old text too."""

    @property
    def rules(self) -> frozenset[str]:
        """Those that edited."""
        return frozenset(each.rule for each in self.made)


def rewrite(
    text: str, evidence: Evidence, *, name: str = "Dockerfile", also: Collection[str] = ()
) -> Rewritten:
    """Make every edit; of the rules in `also` those too that are only suggested.

    The result parses, and rewritten again it stays as it is.  Raises DockerfileError for
    `text`, NoShellParser.
    """
    document = Document.read(text, name=name)
    trail: list[Sequence[Edit]] = []
    made: list[Finding] = []
    for _ in range(_MOST_PASSES):
        found = judge(document, evidence)
        chosen = _choose(found, also)
        if not chosen:
            return Rewritten(
                text,
                document.text,
                tuple(sorted(made, key=lambda each: each.span.line)),
                tuple(_at_first(each, document, trail, text) for each in found),
            )
        made += [_at_first(each, document, trail, text) for each in chosen]
        edits = sorted(edit for each in chosen for edit in each.edits)
        new = Document.read(apply(document.text, edits), name=name)
        evidence = evidence.moved(_layers(document, new, edits, evidence))
        trail.append(edits)
        document = new
    raise NotSettled({each.rule for each in _choose(judge(document, evidence), also)})


def patch(done: Rewritten, path: str) -> str:
    """The difference as `patch -p0` takes it; empty when there is none."""
    # str.splitlines parts at form feeds and the like, which are no line ends to patch.
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", each) for each in (done.old, done.new))
    rows = difflib.unified_diff(old, new, path, path)
    return "".join(
        row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows
    )


def _choose(found: Sequence[Finding], also: Collection[str]) -> list[Finding]:
    """Findings to act on in one pass: none whose edits touch those of an earlier rule's, and one
    of each instruction, for what another says of it may not hold any longer."""
    order = {rule.name: place for place, rule in enumerate(RULES)}
    wanted = [
        each for each in found if each.edits and (each.severity == "edit" or each.rule in also)
    ]
    chosen: list[Finding] = []
    taken: list[Edit] = []
    lines: set[int] = set()
    for each in sorted(wanted, key=lambda each: order[each.rule]):
        if each.span.line not in lines and not clash(each.edits, taken):
            chosen.append(each)
            taken += each.edits
            lines.add(each.span.line)
    return chosen


def _at_first(
    finding: Finding, document: Document, trail: Sequence[Sequence[Edit]], text: str
) -> Finding:
    """A finding with its place in the text that all began with."""
    if not trail:
        return finding
    place = document.offset(finding.span.line, finding.span.column)
    for edits in reversed(trail):
        place = before(place, edits)
    line = text.count("\n", 0, place) + 1
    column = place - (text.rfind("\n", 0, place) + 1) + 1
    span = Span(line, column, finding.span.width, line)
    return msgspec.structs.replace(finding, span=span)


def _layers(
    old: Document, new: Document, edits: Sequence[Edit], evidence: Evidence
) -> list[frozenset[int]]:
    """The layers of each instruction of the new text: those of the old ones that are in it."""
    found = [frozenset[int]() for _ in new.dockerfile.instructions]
    if evidence.stack is None:
        return found
    for step in old.steps:
        place = behind(step.start, edits)
        home = next((each for each in reversed(new.steps) if each.start <= place), None)
        if home is not None:
            found[home.index] |= evidence.layers[step.index]
    return found
