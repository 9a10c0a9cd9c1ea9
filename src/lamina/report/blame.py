"""The report of who wrote what: a line for each file, or for what one layer wrote.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lamina.explain.blame import Blamed, Part, summary
from lamina.explain.owners import Owners
from lamina.explain.stack import Stack
from lamina.explain.view import Node
from lamina.layer.entry import Kind
from lamina.report.directory import count, node_json
from lamina.report.metadata import changes_text
from lamina.report.paper import Cell, Paper
from lamina.text import prose_size

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def as_text(stack: Stack, blamed: Sequence[Blamed], paper: Paper, *, every: bool) -> str:
    """A line for every file with `every`, else what one layer wrote is gathered."""
    parts = [_part(each) for each in blamed] if every else summary(blamed)
    owners = Owners.of(stack)
    # There are few layers, and maybe a hundred thousand lines.
    causes = [_cause(stack, layer) for layer in range(len(stack))]
    rows = [[Cell(text, "head") for text in _HEAD]]
    rows += [[*causes[part.layer], *_row(stack, part, owners)] for part in parts]
    if paper.width < _WIDE:
        rows = [[*row[:2], *row[3:5], _joined(*row[5:])] for row in rows]
        return paper.grid(rows, right={2, 3}, stretch=1) if parts else ""
    return paper.grid(rows, right={3, 4}, stretch=1) if parts else ""


def _joined(path: Cell, note: Cell) -> Cell:
    return path if not note.text else Cell(f"{path.text}   {note.text}", note.meaning)


_WIDE = 100
"""Columns of a terminal that has room for the days, and for notes in a column of their own."""
_HEAD = ("layer", "instruction", "written", "size", "files", "path", "")


def _part(blamed: Blamed) -> Part:
    is_file = blamed.entry.kind is not Kind.DIRECTORY
    history = (blamed.layer, blamed.content_layer, blamed.changes)
    return Part(blamed.path, *history, is_file, blamed.inode.size, True, blamed)


def _row(stack: Stack, part: Part, owners: Owners) -> list[Cell]:
    one = part.one
    path = f"/{part.path}"
    if one is None or one.entry.kind is Kind.DIRECTORY:
        path = path.rstrip("/") + "/"
    elif one.entry.kind is Kind.SYMLINK:
        path += f" → {one.entry.link}"
    notes = ["in part"] if one is None and not part.whole else []
    if note := _touched(stack, part, owners):
        notes.append(note)
    return [
        Cell(_size(part)),
        Cell(f"{part.files:,}" if one is None and part.files else ""),
        Cell(path),
        Cell(", ".join(notes), "deleted"),
    ]


def _size(part: Part) -> str:
    if part.one is not None:
        return prose_size(part.one.inode.size) if part.one.inode.kind is Kind.FILE else ""
    return prose_size(part.bytes) if part.files else ""


def _cause(stack: Stack, layer: int) -> list[Cell]:
    """A layer, what made it (its instruction, or the image that it came with), and the day."""
    origin = stack.origins[layer]
    day = _DAY.match(origin.created)
    in_base = stack.base is not None and layer < stack.base.layers
    what = Cell(f"base {stack.base.name}", "base") if in_base and stack.base else None
    return [Cell(origin.label), what or Cell(origin.instruction), Cell(day[0] if day else "")]


def _touched(stack: Stack, part: Part, owners: Owners) -> str:
    """What the last layer did to what it did not write."""
    one, content = part.one, stack.label(part.content_layer)
    if part.content_layer == part.layer:
        return ""
    if one is None or one.before is None:
        changes = " and ".join(f"other {each.value}" for each in part.changes)
    else:
        changes = changes_text(one.before, one.inode, owners, owners)
    if one is not None and one.entry.kind is Kind.DIRECTORY:
        return f"made by {content}, {changes}" if changes else ""
    return f"content of {content}, {changes or 'shipped again'}"


def as_json(stack: Stack, blamed: Sequence[Blamed]) -> Iterator[dict[str, Any]]:
    """An object for every file, directory, link and device: that of `directory.as_json`, what
    made the layer, and the layer that its content is from."""
    owners = Owners.of(stack)
    for each in blamed:
        found = node_json(stack, Node(each.path, each.entry, each.inode, each.layer), owners)
        of = stack.origins[each.layer]
        content = stack.origins[each.content_layer]
        yield {
            **found,
            "instruction": of.instruction,
            "created_by": of.created_by,
            "created": of.created,
            "touched": each.touched,
            "content_layer": content.label,
            "content_instruction": content.instruction,
        }


def head(stack: Stack, path: str, blamed: Sequence[Blamed], paper: Paper) -> str:
    """`/etc in demo:latest   165.2 kB in 120 files, last written by 2 layers`."""
    files = [each for each in blamed if each.entry.kind is not Kind.DIRECTORY]
    size = sum({id(each.inode): each.inode.size for each in files}.values())
    layers = len({each.layer for each in files})
    by = f"{layers} layers" if layers != 1 else "1 layer"
    return paper.write(
        Cell(f"/{path}", "head"),
        Cell(f" in {stack.name}   {prose_size(size)} in {count(len(files))}, written by {by}"),
    )
