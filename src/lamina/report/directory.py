"""Entries as `ls -l` tells them, with the layer that each comes from: lines and JSON.  Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lamina.explain.owners import Owners
from lamina.explain.stack import Stack
from lamina.explain.view import Node, View
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Hidden
from lamina.report.paper import Cell, Meaning, Paper
from lamina.report.words import DONE, NOUNS
from lamina.text import prose_size

_TYPES = {
    Kind.FILE: stat.S_IFREG,
    Kind.HARDLINK: stat.S_IFREG,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHAR: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.FIFO: stat.S_IFIFO,
}
_NANO = 10**9
_UNCLIPPED = 1 << 16
"""Columns of a paper on which nothing is cut: a name that was cut names nothing."""


def unclipped(paper: Paper) -> Paper:
    """The same paper, wide enough for any name."""
    return msgspec.structs.replace(paper, width=_UNCLIPPED)


def moment(mtime: int) -> str:
    """Nanoseconds since the epoch as `2026-01-31 09:41`, in UTC."""
    try:
        return f"{datetime.fromtimestamp(mtime // _NANO, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return f"@{mtime // _NANO}"  # of a year that no calendar here has


def mode_text(entry: Entry) -> str:
    """`-rw-r--r--`, as ls has it; a marker's type is `w`."""
    if entry.is_marker:
        return "w---------"
    return stat.filemode(_TYPES[entry.kind] | entry.mode)


def fate_text(stack: Stack, hidden: Hidden) -> str:
    """`deleted by 4 with /home`, `overwritten by 3`."""
    by = stack.label(hidden.hidden_by)
    above = f" with /{hidden.at}" if hidden.at != hidden.path else ""
    return f"{DONE[hidden.cause]} by {by}{above}"


def as_text(
    stack: Stack,
    nodes: Sequence[Node],
    owners: Owners,
    paper: Paper,
    *,
    whole_paths: bool,
    view: View | None = None,
) -> str:
    """A line each, under a heading: by last component, or by absolute path.

    With `view`, one of what is hidden, directories that are seen say what is hidden in them.
    """
    head = ("mode", "owner", "size", "modified (UTC)", "layer", "name", "")
    rows = [[Cell(text, "head") for text in head]]
    rows += [_row(stack, node, owners, view, whole_paths=whole_paths) for node in nodes]
    return unclipped(paper).grid(rows, right={2}, stretch=5) if nodes else ""


def _row(
    stack: Stack, node: Node, owners: Owners, view: View | None, *, whole_paths: bool
) -> list[Cell]:
    inode = node.inode
    meaning: Meaning = "hidden" if node.hidden else ""
    name = f"/{node.path}" if whole_paths else node.path.rpartition("/")[2] or "/"
    leads = f" → {node.entry.link}" if node.entry.kind is Kind.SYMLINK else ""
    return [
        Cell(mode_text(inode)),
        Cell(f"{owners.user(inode.uid)}:{owners.group(inode.gid)}"),
        Cell(_size(inode)),
        Cell(moment(inode.mtime)),
        Cell(stack.label(node.layer)),
        Cell(name + leads, meaning),
        _note(stack, node, view),
    ]


def _size(inode: Entry) -> str:
    if inode.kind in (Kind.CHAR, Kind.BLOCK):
        return f"{inode.device[0]}, {inode.device[1]}"
    return prose_size(inode.size) if inode.kind is Kind.FILE and not inode.is_marker else ""


def _note(stack: Stack, node: Node, view: View | None) -> Cell:
    entry = node.entry
    if node.hidden is not None:
        return Cell(fate_text(stack, node.hidden), "hidden")
    if entry.is_opaque_marker:
        return Cell("hides what lower layers have in this directory", "deleted")
    if (gone := entry.whiteout_of) is not None:
        return Cell(f"deletes /{gone}", "deleted")
    if view is not None and node.is_directory:
        files, size = hidden_in(view, node.path)
        return Cell(f"{count(files)} hidden in it, {prose_size(size)}", "hidden")
    return Cell("")


def count(files: int) -> str:
    """`1 file`, `1,234 files`."""
    return f"{files:,} file{'s' * (files != 1)}"


def hidden_in(view: View, path: str) -> tuple[int, int]:
    """How many files are hidden below `path`, and their bytes."""
    sizes = [
        node.entry.size
        for node in view.walk(path)
        if node.hidden is not None and node.entry.kind is Kind.FILE
    ]
    return len(sizes), sum(sizes)


def as_json(stack: Stack, nodes: Iterable[Node], owners: Owners) -> Iterator[dict[str, Any]]:
    """A JSON object each.  `mtime` is RFC 3339 in UTC, null for a year that has none."""
    for node in nodes:
        yield node_json(stack, node, owners)


def node_json(stack: Stack, node: Node, owners: Owners) -> dict[str, Any]:
    """One entry as a JSON object."""
    entry, inode = node.entry, node.inode
    hidden = node.hidden
    return {
        "path": f"/{node.path}",
        "kind": "whiteout" if entry.is_marker else NOUNS[entry.kind],
        "bytes": inode.size,
        "mode": f"{inode.mode:04o}",
        "uid": inode.uid,
        "gid": inode.gid,
        "user": owners.users.get(inode.uid),
        "group": owners.groups.get(inode.gid),
        "mtime": _rfc3339(inode.mtime),
        "link": entry.link if entry.kind is Kind.SYMLINK else None,
        "hard_link": f"/{inode.path}" if entry.kind is Kind.HARDLINK else None,
        "device": list(inode.device) if inode.kind in (Kind.CHAR, Kind.BLOCK) else None,
        "sha256": inode.sha256.hex() or None,
        "layer": stack.label(node.layer),
        "visible": hidden is None and not entry.is_marker,
        "cause": hidden.cause.value if hidden else None,
        "hidden_by": stack.label(hidden.hidden_by) if hidden else None,
        "at": f"/{hidden.at}" if hidden else None,
    }


def _rfc3339(mtime: int) -> str | None:
    try:
        seconds = datetime.fromtimestamp(mtime // _NANO, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    fraction = f".{mtime % _NANO:09d}".rstrip("0").rstrip(".")
    return f"{seconds:%Y-%m-%dT%H:%M:%S}{fraction}Z"
