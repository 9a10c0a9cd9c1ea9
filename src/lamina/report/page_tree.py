"""The files of all layers as one tree for a treemap, small ones added up.  Pure.

A packed folder is `[name, [node, …]]`, a file that can be seen `[name, bytes, layer]`, one
that cannot `[name, bytes, layer, hidden_by, cause]`, `cause` being a place in `CAUSES`.
Where a number stands at the place of a file's name, so many files are added up.  All bytes of
all layers are in the tree, each once: its sums are those of the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from typing import Any, NamedTuple

from lamina.explain.fate import CAUSES
from lamina.explain.stack import Stack
from lamina.text import clip, escape

LARGEST = 2000
"""How many files go by their own name."""
SHARE = 2000
"""A directory with a smaller part of the image than 1/SHARE, and none of those files, is added
up as well."""
DEPTH = 40
"""Directories below each other; what lies deeper has the rest of its path for a name.  Every
reader of JSON can nest so far."""
_LONGEST_NAME = 300


class _File(NamedTuple):
    size: int
    path: str
    layer: int
    hidden_by: int | None
    cause: int | None


class _Folder:
    """A directory of any layer."""

    __slots__ = ("files", "folders", "kept", "size")

    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.files: list[_File] = []
        self.size = 0
        self.kept = False


def tree(stack: Stack, *, largest: int = LARGEST) -> list[Any]:
    """The tree of an image's or a container's files, packed: the root's name is `/`."""
    files = list(_files(stack))
    root = _Folder()
    folders: dict[str, _Folder] = {"": root}
    for file in files:
        _folder(folders, file.path.rpartition("/")[0]).files.append(file)
    named = set(nsmallest(largest, files, key=lambda file: (-file.size, file.path, file.layer)))
    _add_up(root, named, stack.account.bytes / SHARE)
    root.kept = True
    return _packed("/", root, named, depth=0, prefix=0)


def _files(stack: Stack) -> Iterator[_File]:
    """Every content with any bytes."""
    codes = {cause: code for code, cause in enumerate(CAUSES)}
    fates = {id(each.entry): (each.hidden_by, codes[each.cause]) for each in stack.account.hidden}
    for layer, listing in enumerate(stack.listings):
        for entry in listing.entries:
            if entry.size:
                hidden_by, cause = fates.get(id(entry), (None, None))
                yield _File(entry.size, entry.path, layer, hidden_by, cause)


def _folder(folders: dict[str, _Folder], path: str) -> _Folder:
    """The folder at `path`, made with those above it where it is missing."""
    found = folders.get(path)
    if found is not None:
        return found
    missing = []
    while (above := folders.get(path)) is None:
        missing.append(path)
        path = path.rpartition("/")[0]
    for each in reversed(missing):
        folders[each] = above.folders[each.rpartition("/")[2]] = made = _Folder()
        above = made
    return above


def _add_up(root: _Folder, named: set[_File], smallest: float) -> None:
    """Find the size of each folder, and which are kept.  A path may be too deep to recurse."""
    order = [root]
    for folder in order:
        order.extend(folder.folders.values())
    for folder in reversed(order):
        below = folder.folders.values()
        folder.size = sum(file.size for file in folder.files) + sum(each.size for each in below)
        folder.kept = (
            folder.size >= smallest
            or any(each.kept for each in below)
            or any(file in named for file in folder.files)
        )


def _packed(name: str, folder: _Folder, named: set[_File], *, depth: int, prefix: int) -> list[Any]:
    """One folder; `prefix` is how much of its files' paths leads to it."""
    nodes: list[Any] = []
    rest: dict[tuple[int, int | None, int | None], list[int]] = {}
    kept = {} if depth == DEPTH else folder.folders
    for below, each in kept.items():
        if each.kept:
            start = prefix + len(below) + 1
            nodes.append(_packed(below, each, named, depth=depth + 1, prefix=start))
    folded = [each for each in folder.folders.values() if depth == DEPTH or not each.kept]
    for file in [*folder.files, *(file for each in folded for file in _all_files(each))]:
        if file in named:
            nodes.append([_name(file.path[prefix:]), file.size, *_fate(file)])
        else:
            sums = rest.setdefault((file.layer, file.hidden_by, file.cause), [0, 0])
            sums[0] += 1
            sums[1] += file.size
    for (layer, hidden_by, cause), (count, size) in rest.items():
        nodes.append([count, size, *_fate(_File(size, "", layer, hidden_by, cause))])
    return [_name(name), nodes]


def _all_files(folder: _Folder) -> Iterator[_File]:
    todo = [folder]
    while todo:
        each = todo.pop()
        yield from each.files
        todo.extend(each.folders.values())


def _fate(file: _File) -> list[int]:
    if file.hidden_by is None or file.cause is None:
        return [file.layer]
    return [file.layer, file.hidden_by, file.cause]


def _name(text: str) -> str:
    return clip(escape(text), _LONGEST_NAME)
