"""A tree of files with the size of each directory: drawn, or as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lamina.explain.owners import Owners
from lamina.explain.stack import Stack
from lamina.explain.view import Node, View
from lamina.layer.entry import Kind
from lamina.report.directory import count, fate_text, node_json
from lamina.report.paper import Cell, Meaning, Paper
from lamina.text import prose_size

_SIZE = 11
"""Columns of a size, three of them before it."""


class Sum(NamedTuple):
    """What is below a directory."""

    files: int
    """Links and devices, too."""
    bytes: int
    """Each content once, where the walk first meets it, as du counts."""


def sums(view: View, path: str) -> dict[str, Sum]:
    """For every directory at and below `path`, what is in it and below."""
    files = {path: 0}
    sizes = {path: 0}
    met: set[int] = set()
    for node in view.walk(path):
        if node.is_directory:
            files.setdefault(node.path, 0)
            sizes.setdefault(node.path, 0)
        else:
            # A hidden name of a file that has others says nothing of its content.
            content = node.inode if node.hidden is None else node.entry
            parent = node.path.rpartition("/")[0]
            files[parent] += not node.entry.is_marker
            if id(content) not in met:
                met.add(id(content))
                sizes[parent] += content.size
    # From the leaves up: a directory comes after all that is above it.
    for at in sorted(files, key=lambda each: -each.count("/")):
        if at != path:
            parent = at.rpartition("/")[0]
            files[parent] += files[at]
            sizes[parent] += sizes[at]
    return {at: Sum(files[at], sizes[at]) for at in files}


def as_text(stack: Stack, view: View, path: str, paper: Paper, *, depth: int | None) -> str:
    """The tree at `path`, clean, links resolved: `depth` levels below it, or all."""
    totals = sums(view, path)
    wide = max((len(label) for label in map(stack.label, range(len(stack)))), default=0)
    lines = [
        _line(stack, drawn, totals, paper, wide, cut=drawn.level == depth)
        for drawn in _drawn(view, path, depth)
    ]
    return "".join(lines)


class _Drawn(NamedTuple):
    """A node and where it hangs."""

    node: Node
    level: int
    stem: str
    """The lines that lead to it; empty for what is at the top."""
    below: str
    """Those that lead past it, to what is in it."""
    opens: bool
    """Whether what is in it hangs here: of several directories at a path, at the first."""


def _drawn(view: View, path: str, depth: int | None) -> Iterator[_Drawn]:
    # A list and not recursion: an image may nest directories as deep as it likes.
    todo = list(reversed(_level(view, [path], 0, "")))
    while todo:
        drawn = todo.pop()
        yield drawn
        if drawn.opens and drawn.level != depth:
            prefix = f"{drawn.node.path}/" if drawn.node.path else ""
            paths = [prefix + name for name in view.names(drawn.node.path)]
            todo += reversed(_level(view, paths, drawn.level + 1, drawn.below))


def _level(view: View, paths: Sequence[str], level: int, above: str) -> list[_Drawn]:
    """What is at `paths`, side by side."""
    drawn: list[_Drawn] = []
    for path in paths:
        is_open = False
        for node in view.at(path):
            opens = node.is_directory and not is_open
            is_open = is_open or opens
            stem, below = (f"{above}├── ", f"{above}│   ") if level else ("", "")
            drawn.append(_Drawn(node, level, stem, below, opens))
    if level and drawn:
        drawn[-1] = drawn[-1]._replace(stem=f"{above}└── ", below=f"{above}    ")
    return drawn


def _line(
    stack: Stack,
    drawn: _Drawn,
    totals: Mapping[str, Sum],
    paper: Paper,
    wide: int,
    *,
    cut: bool,
) -> str:
    """Size, layer in `wide` columns, the branch, what became of it."""
    node = drawn.node
    name = node.path.rpartition("/")[2] if drawn.level else f"/{node.path}"
    meaning: Meaning = "hidden" if node.hidden else ""
    size, layer, note = "", stack.label(node.layer), ""
    if node.is_directory:
        total = totals[node.path]
        size, layer, name = prose_size(total.bytes), "", name.rstrip("/") + "/"
        if total.files and (cut or not drawn.level):
            note = count(total.files)
    elif node.inode.kind is Kind.FILE and not node.entry.is_marker:
        size = prose_size(node.inode.size)
    elif node.entry.kind is Kind.SYMLINK:
        name += f" → {node.entry.link}"
    if node.hidden is not None:
        note = fate_text(stack, node.hidden)
    cells = [Cell(f"{size:>{_SIZE}}   {layer:<{wide}}   {drawn.stem}"), Cell(name, meaning)]
    if note:
        cells += [Cell("   "), Cell(note, meaning)]
    return paper.write(*cells) + "\n"


def as_json(
    stack: Stack, view: View, path: str, owners: Owners, *, depth: int | None
) -> Iterator[dict[str, Any]]:
    """An object for everything in the tree, as `directory.as_json` has them, a directory's
    with `total_bytes` and `files`: of all that is below it."""
    totals = sums(view, path)
    for drawn in _drawn(view, path, depth):
        found = node_json(stack, drawn.node, owners)
        if drawn.node.is_directory:
            total = totals[drawn.node.path]
            found |= {"total_bytes": total.bytes, "files": total.files}
        yield found
