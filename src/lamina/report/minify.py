"""How a minified image is told: its probes, what went by package, what stayed and why.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lamina.report.paper import Cell, Meaning, Paper
from lamina.text import prose_size

_MARKS: dict[str, tuple[str, Meaning]] = {
    "same": ("✓", "visible"),
    "varies": ("~", "deleted"),
    "differs": ("✗", "hidden"),
    "": ("✓", "visible"),
}
_MOST = 12
"""Rows of a list that are shown."""


class ProbeTold(msgspec.Struct, frozen=True):
    """A probe and how it went."""

    name: str
    result: str
    """On the image as it was: `exit status 0`, `HTTP status 200`."""
    seconds: float
    verdict: str
    """`same`, `varies`, `differs`; empty where no smaller image was tried."""
    difference: Sequence[str] = ()
    """Lines."""


class Group(msgspec.Struct, frozen=True):
    """Files that belong together."""

    name: str
    files: int
    bytes: int


class LaterTold(msgspec.Struct, frozen=True):
    """Something that may be missed later."""

    path: str
    wants: str
    keep: str


class Telling(msgspec.Struct, frozen=True):
    """All that is told of a minified image, or of one that would be."""

    image: str
    new: str
    """What the new image is called; empty when there is none."""
    image_id: str
    before: int
    """Bytes of content that can be seen in the image."""
    after: int
    way: str
    used: int
    """Files that the probes used."""
    probes: Sequence[ProbeTold]
    kept: Sequence[Group]
    """By reason, in the order of reasons."""
    removed: Sequence[Group]
    """By package, the most bytes first."""
    removed_paths: Sequence[str]
    later: Sequence[LaterTold]
    missing: Sequence[str]
    removed_kept: bool = False
    """Whether what was removed is attached."""

    @property
    def differs(self) -> bool:
        """Whether a probe told the smaller image from the old one."""
        return any(each.verdict == "differs" for each in self.probes)


def as_text(telling: Telling, paper: Paper) -> str:
    """The sum, the probes, and what went and stayed; or how the probes differ."""
    parts = [_headline(telling, paper), _probes(telling, paper)]
    if telling.differs:
        parts.append(_failure(telling, paper))
        return "\n".join(parts)
    parts += [
        _groups("removed", telling.removed, paper),
        _groups("kept", telling.kept, paper, most=len(telling.kept)),
    ]
    if telling.later:
        parts.append(_later(telling, paper))
    if telling.removed_kept:
        parts.append(
            paper.prose(f"lamina run --with-removed {telling.new} … has the removed files again")
        )
    return "\n".join(part for part in parts if part)


def _headline(telling: Telling, paper: Paper) -> str:
    name = telling.image + (f" → {telling.new}" if telling.new else "")
    if telling.differs:
        cells = [
            Cell(name, "head"),
            Cell("   nothing was named: "),
            Cell("a probe differs", "hidden"),
        ]
        return paper.write(*cells) + "\n"
    would = "" if telling.new else "would be "
    less = telling.before - telling.after
    share = 100 * less / telling.before if telling.before else 0.0
    cells = [
        Cell(name, "head"),
        Cell(f"   {prose_size(telling.before)} → {would}"),
        Cell(prose_size(telling.after), "visible"),
        Cell(f": {prose_size(less)} less ({share:.1f} %)"),
    ]
    return paper.write(*cells) + "\n"


def _probes(telling: Telling, paper: Paper) -> str:
    rows = []
    for each in telling.probes:
        mark, meaning = _MARKS[each.verdict]
        words = {"varies": "varies by itself", "": "not tried again"}
        told = words.get(each.verdict, each.verdict)
        rows.append(
            [
                Cell(mark if paper.unicode else each.verdict or "ok", meaning),
                Cell(each.name),
                Cell(each.result),
                Cell(f"{each.seconds:.2f} s"),
                Cell(told, meaning),
            ]
        )
    return paper.grid(rows, right={3}, stretch=1)


def _failure(telling: Telling, paper: Paper) -> str:
    told = ""
    for each in telling.probes:
        if each.verdict == "differs":
            told += paper.write(Cell(f"   {each.name}", "head")) + "\n"
            told += "".join(paper.write(Cell(f"     {line}")) + "\n" for line in each.difference)
    if telling.missing:
        told += "\n" + paper.prose("it opens what was removed; keep it with")
        told += "".join(
            paper.write(Cell(f"     --keep '/{path}'")) + "\n" for path in telling.missing[:_MOST]
        )
        if len(telling.missing) > _MOST:
            told += paper.prose(f"and {len(telling.missing) - _MOST} more: --format json has all")
    else:
        told += "\n" + paper.prose(
            "it opens nothing that was removed: it may only look whether something is there; "
            "--keep and --keep-package keep more"
        )
    return told


def _groups(title: str, groups: Sequence[Group], paper: Paper, most: int = _MOST) -> str:
    if not groups:
        return ""
    total = Group(title, sum(each.files for each in groups), sum(each.bytes for each in groups))
    rows = [[Cell(text, "head") for text in _columns(total)]]
    rows += [[Cell(text) for text in _columns(each)] for each in groups[:most]]
    if len(rest := groups[most:]):
        other = Group(
            f"{len(rest)} more: --format json has all",
            sum(each.files for each in rest),
            sum(each.bytes for each in rest),
        )
        rows.append([Cell(text, "base") for text in _columns(other)])
    return paper.grid(rows, right={1, 2}, stretch=0)


def _columns(group: Group) -> tuple[str, str, str]:
    files = f"{group.files:,} file{'s' * (group.files != 1)}"
    return group.name, prose_size(group.bytes), files


def _later(telling: Telling, paper: Paper) -> str:
    told = paper.prose("may be missed later, by ways that no probe took", "deleted")
    for each in telling.later[:_MOST]:
        hint = f"   --keep '{each.keep}'" if each.keep else ""
        told += paper.prose(f"/{each.path} {each.wants}{hint}")
    if len(telling.later) > _MOST:
        told += paper.prose(f"and {len(telling.later) - _MOST} more: --format json has all")
    return told


def as_json(telling: Telling) -> dict[str, Any]:
    """Everything; sizes in bytes, times in seconds."""
    return {
        "image": telling.image,
        "new": telling.new or None,
        "image_id": telling.image_id or None,
        "bytes_before": telling.before,
        "bytes_after": telling.after,
        "recorded_by": telling.way,
        "files_used": telling.used,
        "probes": [
            {
                "probe": each.name,
                "result": each.result,
                "seconds": round(each.seconds, 3),
                "verdict": each.verdict or None,
                "difference": list(each.difference),
            }
            for each in telling.probes
        ],
        "kept": [_json(each) for each in telling.kept],
        "removed": [_json(each) for each in telling.removed],
        "removed_paths": [f"/{path}" for path in telling.removed_paths],
        "later": [
            {"path": f"/{each.path}", "wants": each.wants, "keep": each.keep or None}
            for each in telling.later
        ],
        "missing": [f"/{path}" for path in telling.missing],
        "removed_attached": telling.removed_kept,
    }


def _json(group: Group) -> dict[str, Any]:
    return {"name": group.name, "files": group.files, "bytes": group.bytes}
