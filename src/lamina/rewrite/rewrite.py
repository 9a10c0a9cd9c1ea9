"""A Dockerfile rewritten by the rules until none has anything to edit, and the patch.  Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from functools import partial

import msgspec

from lamina.dockerfile.source import DockerfileError, Span
from lamina.errors import EngineError
from lamina.rewrite.document import Document, Step
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
    refused: set[tuple[str, str]] = set()
    for _ in range(_MOST_PASSES):
        found = [_unless_refused(each, refused) for each in judge(document, evidence)]
        chosen = _choose(found, also)
        if not chosen:
            return Rewritten(
                text,
                document.text,
                tuple(sorted(made, key=lambda each: each.span.line)),
                tuple(_at_first(each, document, trail, text) for each in found),
            )
        holding = _holding(document, chosen)
        refused |= {(each.rule, each.message) for each in chosen if each not in holding}
        made += [_at_first(each, document, trail, text) for each in holding]
        edits = sorted(edit for each in holding for edit in each.edits)
        trail.append(edits)
        origin = partial(_first_line, text, tuple(trail))
        new = Document.read(apply(document.text, edits), name=name, origin=origin)
        evidence = evidence.moved(_layers(document, new, edits, evidence))
        document = new
    raise NotSettled({each.rule for each in _choose(judge(document, evidence), also)})


def _holding(document: Document, chosen: Sequence[Finding]) -> Sequence[Finding]:
    """Those whose edits leave a file that is understood as well as before."""
    if _is_understood(document, chosen):
        return chosen
    kept: list[Finding] = []
    for each in chosen:
        if _is_understood(document, [*kept, each]):
            kept.append(each)
    return kept


def _is_understood(document: Document, findings: Sequence[Finding]) -> bool:
    edits = [edit for each in findings for edit in each.edits]
    try:
        new = Document.read(apply(document.text, edits))
    except DockerfileError:
        return False
    return _unread(new) <= _unread(document)


def _unread(document: Document) -> int:
    return sum(each.keyword == "RUN" and each.script is None for each in document.steps)


def _unless_refused(finding: Finding, refused: Collection[tuple[str, str]]) -> Finding:
    """A finding; without its edits where they did not hold."""
    if (finding.rule, finding.message) not in refused:
        return finding
    reason = "the result would not be understood"
    return msgspec.structs.replace(finding, severity="suggestion", edits=(), reason=reason)


def patch(done: Rewritten, path: str) -> str:
    """The difference as `patch -p0` takes it; empty when there is none."""
    # str.splitlines parts at form feeds and the like, which are no line ends to patch.
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", each) for each in (done.old, done.new))
    # A tab ends the name: else GNU patch takes it to end at its first blank.
    name = f"{path}\t" if " " in path else path
    rows = difflib.unified_diff(old, new, name, name)
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
    place = _first_place(document.offset(finding.span.line, finding.span.column), trail)
    line = text.count("\n", 0, place) + 1
    column = place - (text.rfind("\n", 0, place) + 1) + 1
    span = Span(line, column, finding.span.width, line)
    return msgspec.structs.replace(finding, span=span)


def _first_place(place: int, trail: Sequence[Sequence[Edit]]) -> int:
    """An offset of the text that some edits made, in the text that all began with."""
    for edits in reversed(trail):
        place = before(place, edits)
    return place


def _first_line(text: str, trail: Sequence[Sequence[Edit]], place: int) -> int:
    return text.count("\n", 0, _first_place(place, trail)) + 1


def _layers(
    old: Document, new: Document, edits: Sequence[Edit], evidence: Evidence
) -> list[frozenset[int]]:
    """The layers of each instruction of the new text: those of the old ones that are in it.

    What an instruction left that is gone, nobody leaves any longer.
    """
    found = [frozenset[int]() for _ in new.dockerfile.instructions]
    if evidence.stack is None:
        return found
    gone: list[Step] = []
    for step in old.steps:
        place = _rest(step, edits)
        home = None if place is None else _at(new, behind(place, edits))
        if home is None:
            gone.append(step)
        else:
            found[home.index] |= evidence.layers[step.index]
    for step in gone:
        moved = [e for e in new.steps if e.line.original == step.line.original]
        if len(moved) == 1 and not found[moved[0].index]:
            found[moved[0].index] = evidence.layers[step.index]
    return found


def _rest(step: Step, edits: Sequence[Edit]) -> int | None:
    """Where in the old text something of a step begins that stays, or that something stands in
    place of; None when all of it is taken out."""
    place = step.start
    for edit in sorted(edits):
        if edit.start <= place < edit.end:
            if edit.text.strip() and edit.start == step.start:
                return place
            place = edit.end
    return place if place < step.end else None


def _at(document: Document, place: int) -> Step | None:
    return next((each for each in document.steps if each.start <= place < each.end), None)
