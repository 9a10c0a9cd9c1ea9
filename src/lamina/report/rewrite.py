"""How a rewritten Dockerfile is told: edits, suggestions, what came of them.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lamina.explain.compare import gather
from lamina.report.paper import Cell, Meaning, Paper
from lamina.rewrite.evidence import total
from lamina.rewrite.explained import Explained, Outcome
from lamina.rewrite.finding import Amount, Finding
from lamina.rewrite.rewrite import Rewritten
from lamina.text import prose_size

_MOST = 8
_HEAD_ROWS = 2
"""Of a patch: the two names."""
_SIGNS: dict[str, Meaning] = {"+": "visible", "-": "hidden", "@": "base", "\\": "base"}


class Built(msgspec.Struct, frozen=True):
    """One of the two images that `--build` makes."""

    image_id: str
    bytes: int
    hidden: int
    layers: int
    seconds: float


class Telling(msgspec.Struct, frozen=True):
    """All that is known of a rewritten file."""

    path: str
    done: Rewritten
    patch: str
    image: str = ""
    """In which bytes were measured; empty when they were not."""
    written: bool = False
    old: Built | None = None
    new: Built | None = None
    outcome: Outcome | None = None


def as_text(telling: Telling, paper: Paper) -> str:
    """The sum, the edits, the suggestions; then the two images beside each other."""
    parts = [_headline(telling, paper)]
    parts += [_finding(each, paper, made=True) for each in telling.done.made]
    parts += [_finding(each, paper, made=False) for each in telling.done.suggested]
    if telling.written:
        parts.append(paper.prose(f"{telling.path} was written", "visible"))
    if telling.outcome is not None:
        parts.append(_built(telling, paper))
    return "\n".join(parts)


def patch_as_text(telling: Telling, paper: Paper) -> str:
    """The patch as a terminal shows it: for people, and not for `patch`."""
    rows = []
    for number, row in enumerate(telling.patch.split("\n")[:-1]):
        head: Meaning = "head" if number < _HEAD_ROWS else ""
        rows.append(paper.write(Cell(row.rstrip("\r"), head or _SIGNS.get(row[:1], ""))) + "\n")
    return "".join(rows)


def _headline(telling: Telling, paper: Paper) -> str:
    made, suggested = telling.done.made, telling.done.suggested
    if not made and not suggested:
        return (
            paper.write(Cell(f"{telling.path}: "), Cell("no rule finds anything", "visible")) + "\n"
        )
    sums = total([each.amount for each in made])
    saved = []
    if sums.measured:
        saved.append(f"{prose_size(sums.measured)} measured in {telling.image}")
    if sums.estimated:
        saved.append(f"about {prose_size(sums.estimated)}, estimated")
    if sums.unknown:
        saved.append(f"{sums.unknown} of unknown size")
    words = f": saves {' and '.join(saved)}" if saved else ""
    return (
        paper.write(
            Cell(f"{telling.path}: ", "head"),
            Cell(f"{_count(len(made), 'edit')}{words}", "visible" if made else ""),
            Cell(f"; {_count(len(suggested), 'suggestion')}" if suggested else ""),
        )
        + "\n"
    )


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _finding(finding: Finding, paper: Paper, *, made: bool) -> str:
    kind = "edit" if made else finding.severity
    head = paper.write(
        Cell(f"   line {finding.span.line}: "),
        Cell(finding.rule, "visible" if made else "deleted"),
        Cell(f", {kind}; {_amount(finding.amount)}"),
    )
    told = f"{head}\n{paper.prose(finding.message)}"
    if finding.reason:
        told += paper.prose(f"{'asked for, though' if made else 'no edit:'} {finding.reason}")
    if not made:
        remedy = f"--also {finding.rule} edits it" if finding.edits else ""
        told += paper.prose(f"try: {'; '.join(filter(None, (finding.advice, remedy)))}")
    return told


def _amount(amount: Amount) -> str:
    if amount.basis == "unknown":
        return "size unknown"
    return f"{prose_size(amount.bytes)} {amount.basis}" if amount.bytes else "no bytes"


def _built(telling: Telling, paper: Paper) -> str:
    assert telling.old is not None and telling.new is not None and telling.outcome is not None
    rows = [[Cell(each) for each in ("", "size", "visible", "hidden", "layers", "build time")]]
    for name, each in (("before", telling.old), ("after", telling.new)):
        rows.append(
            [
                Cell(name),
                Cell(prose_size(each.bytes)),
                Cell(prose_size(each.bytes - each.hidden), "visible"),
                Cell(prose_size(each.hidden), "hidden" if each.hidden else ""),
                Cell(str(each.layers)),
                Cell(f"{each.seconds:.1f} s"),
            ]
        )
    parts = [paper.grid(rows, right=(1, 2, 3, 4, 5), stretch=0)]
    parts.append(paper.prose("both were built without the cache, one after the other"))
    parts.append(_outcome(telling.outcome, paper))
    return "\n".join(parts)


def _outcome(outcome: Outcome, paper: Paper) -> str:
    if not outcome.paths and not outcome.settings:
        return paper.prose("the two images show the same tree and start the same", "visible")
    rows: list[list[Cell]] = []
    for title, meaning, group in _groups(outcome.paths):
        rows.append([Cell(title, meaning), Cell(""), Cell("")])
        gathered = gather([each.change for each in group])
        for found in gathered[:_MOST]:
            growth = prose_size(abs(found.growth))
            sign = "+" if found.growth > 0 else "−" if found.growth < 0 else ""
            path = f"   /{found.change.path}"
            rows.append([Cell(path), Cell(found.change.verdict), Cell(f"{sign}{growth}")])
        if (more := len(gathered) - _MOST) > 0:
            rows.append([Cell(f"   and {_count(more, 'more path')}"), Cell(""), Cell("")])
    for change, rule in outcome.settings:
        title = f"by {rule}" if rule else "unexplained"
        name = f"{change.setting} {change.key}".strip()
        rows.append([Cell(f"{title}: {name}", "" if rule else "hidden"), Cell("setting"), Cell("")])
    count = outcome.unexplained
    told = "all differences are explained" if not count else f"unexplained: {count}"
    grid = paper.grid(rows, right=(2,), stretch=0)
    return grid + "\n" + paper.prose(told, "hidden" if count else "visible")


def _groups(paths: Sequence[Explained]) -> list[tuple[str, Any, list[Explained]]]:
    """Differences by what explains them, those that nothing does first."""
    groups: dict[str, list[Explained]] = {}
    for each in paths:
        title = f"by {each.rule}" if each.rule else ""
        if not title and each.cause:
            title = f"differs from build to build: {each.cause}"
        groups.setdefault(title, []).append(each)
    return [
        (title or "unexplained", "" if title else "hidden", groups[title])
        for title in sorted(groups)
    ]


def as_json(telling: Telling) -> dict[str, Any]:
    """The same for programs; `patch` is what `patch -p0` takes."""
    found: dict[str, Any] = {
        "file": telling.path,
        "image": telling.image or None,
        "written": telling.written,
        "edits": [_finding_json(each) for each in telling.done.made],
        "suggestions": [_finding_json(each) for each in telling.done.suggested],
        "patch": telling.patch,
    }
    if telling.outcome is not None:
        found["before"] = msgspec.to_builtins(telling.old)
        found["after"] = msgspec.to_builtins(telling.new)
        found["differences"] = [
            {
                "path": each.change.path,
                "verdict": each.change.verdict,
                "rule": each.rule or None,
                "cause": each.cause or None,
            }
            for each in telling.outcome.paths
        ]
        found["settings"] = [
            {"setting": each.setting, "key": each.key, "rule": rule or None}
            for each, rule in telling.outcome.settings
        ]
        found["unexplained"] = telling.outcome.unexplained
    return found


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "line": finding.span.line,
        "message": finding.message,
        "bytes": finding.amount.bytes if finding.amount.basis != "unknown" else None,
        "basis": finding.amount.basis,
        "reason": finding.reason or None,
        "advice": finding.advice or None,
    }
