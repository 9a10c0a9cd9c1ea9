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
from lamina.layer.entry import Entry
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

_Fate = tuple[int, ...]
"""The layer alone; or the layer, who hides it, and the cause."""


class _File(NamedTuple):
    path: str
    size: int
    fate: _Fate


class _Folder:
    """A directory of any layer."""

    __slots__ = ("files", "folders", "kept", "rest", "size")

    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.files: list[_File] = []
        """Those that go by their own name."""
        self.rest: dict[_Fate, list[int]] = {}
        """How many others, and their bytes."""
        self.size = 0
        self.kept = True


def tree(stack: Stack, *, largest: int = LARGEST) -> list[Any]:
    """The tree of an image's or a container's files, packed: the root's name is `/`."""
    root = _Folder()
    folders = {"": root}
    named = _largest(stack, largest)
    for entry, fate in _contents(stack):
        above = entry.path.rpartition("/")[0]
        folder = folders.get(above) or _folder(folders, above)
        folder.size += entry.size
        if id(entry) in named:
            folder.files.append(_File(entry.path, entry.size, fate))
        else:
            _add(folder.rest, fate, 1, entry.size)
    _fold(root, stack.account.bytes / SHARE)
    return _packed("/", root, prefix=0)


def _contents(stack: Stack) -> Iterator[tuple[Entry, _Fate]]:
    """Every content with any bytes."""
    codes = {cause: code for code, cause in enumerate(CAUSES)}
    hidden = {
        id(each.entry): (each.layer, each.hidden_by, codes[each.cause])
        for each in stack.account.hidden
    }
    for layer, listing in enumerate(stack.listings):
        shown = (layer,)
        for entry in listing.entries:
            if entry.size:
                yield entry, hidden.get(id(entry), shown)


def _largest(stack: Stack, count: int) -> set[int]:
    """The id() of so many entries, those of most bytes."""
    entries = [entry for listing in stack.listings for entry in listing.entries if entry.size]
    sizes = sorted((entry.size for entry in entries), reverse=True)
    least = sizes[:count][-1] if sizes and count else 0
    # A name is looked at only where sizes do not decide.
    candidates = [entry for entry in entries if entry.size >= least]
    chosen = nsmallest(count, candidates, key=lambda entry: (-entry.size, entry.path))
    return {id(entry) for entry in chosen}


def _folder(folders: dict[str, _Folder], path: str) -> _Folder:
    """The folder at `path`, made with those above it where it is missing."""
    missing = []
    while (above := folders.get(path)) is None:
        missing.append(path)
        path = path.rpartition("/")[0]
    for each in reversed(missing):
        folders[each] = above.folders[each.rpartition("/")[2]] = made = _Folder()
        above = made
    return above


def _add(sums: dict[_Fate, list[int]], fate: _Fate, files: int, size: int) -> None:
    found = sums.get(fate)
    if found is None:
        sums[fate] = [files, size]
    else:
        found[0] += files
        found[1] += size


def _fold(root: _Folder, smallest: float) -> None:
    """Add up each folder, and those that are too small or too deep into the one above."""
    order = [(root, root, 0)]
    for folder, _, depth in order:
        order.extend((each, folder, depth + 1) for each in folder.folders.values())
    for folder, above, depth in reversed(order[1:]):
        folder.folders = {name: each for name, each in folder.folders.items() if each.kept}
        above.size += folder.size
        worth = folder.files or folder.folders or folder.size >= smallest
        folder.kept = bool(worth) and depth <= DEPTH
        if not folder.kept:
            above.files += folder.files
            for fate, (files, size) in folder.rest.items():
                _add(above.rest, fate, files, size)
    root.folders = {name: each for name, each in root.folders.items() if each.kept}


def _packed(name: str, folder: _Folder, *, prefix: int) -> list[Any]:
    """One folder; `prefix` is how much of its files' paths leads to it."""
    nodes: list[Any] = [
        _packed(below, each, prefix=prefix + len(below) + 1)
        for below, each in folder.folders.items()
    ]
    nodes += [[_name(path[prefix:]), size, *fate] for path, size, fate in folder.files]
    nodes += [[files, size, *fate] for fate, (files, size) in folder.rest.items()]
    return [_name(name), nodes]


def _name(text: str) -> str:
    return clip(escape(text), _LONGEST_NAME)
