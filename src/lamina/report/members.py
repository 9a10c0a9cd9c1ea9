"""Which layer gave which entry of a directory: for people and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.explain.cause import Origin
from lamina.explain.ownership import Member
from lamina.layer.entry import Kind
from lamina.report.paper import Cell, Paper
from lamina.report.search import owner
from lamina.report.words import NOUNS
from lamina.text import prose_size


def as_text(
    members: Sequence[Member], origins: Sequence[Origin], paper: Paper, *, limit: int | None
) -> str:
    """A line each, under a heading; what is gone says by whom.  All of them without `limit`."""
    if not members:
        return ""
    rows = [[Cell(text, "head") for text in ("in it", "size", "", "layer", "instruction", "")]]
    rows += [_row(member, origins) for member in members[:limit]]
    text = paper.grid(rows, right={1}, stretch=4)
    rest = len(members) - len(members[:limit])
    return text + (f"   and {rest} more   (--limit {len(members)} shows all)\n" if rest else "")


def _row(member: Member, origins: Sequence[Origin]) -> list[Cell]:
    entry, gone = member.entry, member.gone
    is_directory = entry.kind is Kind.DIRECTORY
    name = member.name + ("/" if is_directory else "")
    if entry.kind is Kind.SYMLINK:
        name += f" → {entry.link}"
    sized = is_directory or entry.kind in (Kind.FILE, Kind.HARDLINK)
    labels = [origins[layer].label for layer in member.layers]
    return [
        Cell(name, "hidden" if gone else "visible"),
        Cell(prose_size(member.bytes) if sized else ""),
        Cell(f"{entry.mode:04o} {owner(entry)}"),
        Cell(", ".join(labels) if len(labels) < 4 else f"{labels[0]}, {len(labels) - 1} more"),
        Cell(origins[member.layer].instruction),
        _note(member, origins),
    ]


def _note(member: Member, origins: Sequence[Origin]) -> Cell:
    gone = member.gone
    if gone is not None:
        own = gone.at.rpartition("/")[2] == member.name
        where = "" if own else f" with /{gone.at}"
        return Cell(f"{gone.cause.value} by {origins[gone.hidden_by].label}{where}", "hidden")
    if member.hidden_bytes:
        return Cell(f"{prose_size(member.hidden_bytes)} hidden in it", "hidden")
    return Cell("")


def as_json(members: Sequence[Member], origins: Sequence[Origin]) -> list[dict[str, Any]]:
    """An object each; `layers` are the labels of all that gave something seen."""
    return [_member_json(member, origins) for member in members]


def _member_json(member: Member, origins: Sequence[Origin]) -> dict[str, Any]:
    entry, gone = member.entry, member.gone
    return {
        "name": member.name,
        "kind": NOUNS[entry.kind],
        "bytes": member.bytes,
        "files": member.files,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "link": entry.link if entry.kind is Kind.SYMLINK else None,
        "layer": origins[member.layer].label,
        "layers": [origins[layer].label for layer in member.layers],
        "instruction": origins[member.layer].instruction,
        "hidden_bytes": member.hidden_bytes,
        "visible": gone is None,
        "cause": gone.cause.value if gone else None,
        "hidden_by": origins[gone.hidden_by].label if gone else None,
        "at": f"/{gone.at}" if gone else None,
    }
