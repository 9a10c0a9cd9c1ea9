"""The report of one path: the search from the top layer down, for people and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.explain.cause import Origin
from lamina.explain.lookup import Barrier, Search, Step
from lamina.layer.entry import Entry, Kind
from lamina.report.paper import Cell, Meaning, Paper
from lamina.report.words import NOUNS
from lamina.text import prose_size

_BARRIERS = {Barrier.WHITEOUT: "whiteout", Barrier.OPAQUE: "opaque", Barrier.OTHER_TYPE: "replaced"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose path it is."""

    name: str
    origins: Sequence[Origin]
    written: str = ""
    """Of a container: what happened in its own layer, in words (see `happened`)."""
    sharers: int = 0
    """How many other containers have the layer that a container's path is read from."""

    @property
    def is_container(self) -> bool:
        """Whether the top layer is a container's own."""
        return bool(self.origins) and self.origins[-1].label == "rw"


def happened(search: Search, below: Entry | None, *, same_content: bool, when: str) -> str:
    """What a container did to the path; `below` is what its image has there.

    `when` is the time of the last change, in words.  Empty when it did nothing.
    """
    own = search.steps[0]
    if own.entry is None:
        return "deleted here; the image still has it" if own.barrier and below else ""
    if below is None:
        return f"new, only here; {when}"
    if own.entry.kind is Kind.DIRECTORY and below.kind is Kind.DIRECTORY:
        return f"something in it changed here; {when}"
    if NOUNS[own.entry.kind] != NOUNS[below.kind]:
        return f"replaced here: the image has a {NOUNS[below.kind]}; {when}"
    if same_content:
        return f"copied up, the content is the image's; {_metadata(below, own.entry) or when}"
    return f"copied up when first written; last change {when}"


def _metadata(below: Entry, here: Entry) -> str:
    changes = []
    if below.mode != here.mode:
        changes.append(f"mode {below.mode:04o} → {here.mode:04o}")
    if (below.uid, below.gid) != (here.uid, here.gid):
        changes.append(f"owner {owner(below)} → {owner(here)}")
    return ", ".join(changes)


def verdict(search: Search) -> str:
    """The outcome in a word."""
    if search.found is None:
        return "deleted"
    return NOUNS[search.found.entry.kind]


def as_text(search: Search, subject: Subject, paper: Paper) -> str:
    """The search for people."""
    meaning: Meaning = "deleted" if search.found is None else "visible"
    leads = f" → /{search.path}" if search.path != search.asked else ""
    head = paper.write(
        Cell(f"/{search.asked}", "head"),
        Cell(f"{leads} in {subject.name}: "),
        Cell(verdict(search), meaning),
    )
    rows: list[list[Cell]] = []
    empty: list[Step] = []
    for step in search.steps:
        if step.entry is None and step.barrier is None and step.layer != _top(search):
            empty.append(step)
            continue
        rows += _skipped(empty, subject)
        empty = []
        rows.append(_row(step, search, subject))
    rows += _skipped(empty, subject)
    return f"{head}\n\n{paper.grid(rows, stretch=3)}"


def _top(search: Search) -> int:
    return search.steps[0].layer


def _skipped(steps: Sequence[Step], subject: Subject) -> list[list[Cell]]:
    """Layers that know nothing of the path, in one row."""
    if not steps:
        return []
    labels = [subject.origins[step.layer].label for step in steps]
    label = labels[0] if len(labels) == 1 else f"{labels[0]}–{labels[-1]}"
    arrow = "↓" if any(step.reached for step in steps) else ""
    return [[Cell(arrow), Cell(label), Cell("–"), Cell(""), Cell("")]]


def _row(step: Step, search: Search, subject: Subject) -> list[Cell]:
    origin = subject.origins[step.layer]
    note, meaning = _note(step, search, subject)
    what = Cell(_what(step, search), "visible" if step.shown else meaning)
    return [
        Cell("↓" if step.reached else ""),
        Cell(origin.label),
        what,
        Cell(origin.instruction),
        Cell(note, meaning),
    ]


def _what(step: Step, search: Search) -> str:
    entry = step.entry
    if entry is None:
        if step.barrier is None:
            return "–"
        above = f" of /{step.at}" if step.at != search.path else ""
        return f"{_BARRIERS[step.barrier]}{above}"
    owned = f"{entry.mode:04o} {owner(entry)}"
    if entry.kind is Kind.DIRECTORY:
        return f"directory {owned}, {_count(step.files)} {prose_size(step.size)}"
    if entry.kind is Kind.SYMLINK:
        return f"link → {entry.link}"
    size = f" {prose_size(step.size)}" if entry.kind in (Kind.FILE, Kind.HARDLINK) else ""
    return f"{NOUNS[entry.kind]}{size} {owned}"


def _count(files: int) -> str:
    return f"{files} file" if files == 1 else f"{files} files"


def owner(entry: Entry) -> str:
    """`root:root`, `33:33`: numbers, for the names are the image's to give."""
    return ":".join("root" if each == 0 else str(each) for each in (entry.uid, entry.gid))


def _note(step: Step, search: Search, subject: Subject) -> tuple[str, Meaning]:
    if subject.is_container and step.layer == _top(search) and subject.written:
        return subject.written, "deleted" if step.entry is None else "visible"
    if step.shown:
        return _shown_note(step, search, subject), "visible"
    if step.entry is not None:
        if step.elsewhere:
            return f"hidden, but seen as /{step.elsewhere}", "hidden"
        still = ", still in the image" if subject.is_container else ", still shipped"
        return "hidden" + (still if step.size else ""), "hidden"
    if step.barrier is not None and step.reached:
        return "the search ends here", "deleted"
    return "", ""


def _shown_note(step: Step, search: Search, subject: Subject) -> str:
    assert step.entry is not None
    if step.entry.kind is Kind.DIRECTORY:
        merged = sum(each.shown for each in search.steps) > 1
        text = "merged into what is seen" if merged else "found here"
        return f"{text}, nothing from below" if step.barrier else text
    if not subject.is_container:
        return "found here, the search ends"
    others = f" (shared with {subject.sharers} other container{'s' * (subject.sharers > 1)})"
    return "read from here" + (others if subject.sharers else "")


def as_json(search: Search, subject: Subject) -> dict[str, Any]:
    """The search as a JSON document, the top layer first."""
    return {
        "name": subject.name,
        "path": "/" + search.asked,
        "resolved": "/" + search.path,
        "state": "deleted" if search.found is None else "found",
        "kind": verdict(search) if search.found else None,
        "layer": subject.origins[search.found.layer].label if search.found else None,
        "deleted_by": subject.origins[by.layer].label if (by := search.deleted_by) else None,
        "container": subject.written or None,
        "steps": [_step_json(step, subject) for step in search.steps],
    }


def _step_json(step: Step, subject: Subject) -> dict[str, Any]:
    entry = step.entry
    origin = subject.origins[step.layer]
    return {
        "layer": origin.label,
        "created_by": origin.created_by,
        "instruction": origin.instruction,
        "kind": NOUNS[entry.kind] if entry else None,
        "bytes": step.size,
        "mode": f"{entry.mode:04o}" if entry else None,
        "uid": entry.uid if entry else None,
        "gid": entry.gid if entry else None,
        "link": entry.link or None if entry else None,
        "barrier": step.barrier.value if step.barrier else None,
        "at": "/" + step.at if step.barrier else None,
        "reached": step.reached,
        "visible": step.shown,
        "seen_as": f"/{step.elsewhere}" if step.elsewhere else None,
    }
