"""A build's contexts as a reproducible build sees them: everything in them is of one time.

When a file of a context was last changed says when somebody cloned, unpacked or pulled it.
So each takes the epoch, whether it is older or newer: two checkouts of one commit make one
layer, and what the cache knows by content is what the build would make.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from lamina.build.pyc import HEADER, restamp
from lamina.build.reading import Origin, Reading
from lamina.context.tree import Content, Tree
from lamina.layer.entry import Entry, Kind, os_path, text_path

_NANO = 1_000_000_000


class LevelTree:
    """Implements `Tree` (context/tree.py) on another one; `.pyc` files record the same time."""

    def __init__(self, tree: Tree, epoch: int) -> None:
        self._tree = tree
        self._epoch = epoch

    def lookup(self, path: str) -> Entry | None:
        found = self._tree.lookup(path)
        return level(found, self._epoch) if found is not None else None

    def children(self, path: str) -> Sequence[Entry]:
        return [level(each, self._epoch) for each in self._tree.children(path)]

    def digest(self, entry: Entry) -> bytes:
        return self._tree.digest(entry)

    def open(self, entry: Entry) -> Content:
        content = self._tree.open(entry)
        if not entry.path.endswith(".pyc"):
            return content
        header = os.pread(content.file.fileno(), HEADER, 0)
        change = restamp(os_path(entry.path), header, self._source, self._epoch)
        return _patched(content, *change) if change is not None else content

    def _source(self, path: bytes) -> tuple[int, int] | None:
        found = self._tree.lookup(text_path(path))
        if found is None or found.kind is not Kind.FILE:
            return None
        return found.mtime // _NANO, found.size


def level(entry: Entry, epoch: int) -> Entry:
    """The entry as of `epoch` (seconds since 1970)."""
    return msgspec.structs.replace(entry, mtime=epoch * _NANO)


def levelled(reading: Reading, epoch: int) -> Reading:
    """What was read, at one time if it comes from a context; from layers it has its own."""
    if reading.origin.layers is not None:
        return reading
    tree = LevelTree(reading.tree, epoch)
    selection = tuple(replace(each, entry=level(each.entry, epoch)) for each in reading.selection)
    return Reading(reading.source, Origin(lambda: tree), selection)


def _patched(content: Content, place: int, stamp: bytes) -> Content:
    """The content with other bytes at `place`, in memory: the descriptor may be copied from."""
    with content.file:
        data = bytearray(content.file.read(content.size))
    data[place : place + len(stamp)] = stamp
    file = os.fdopen(os.memfd_create("pyc", os.MFD_CLOEXEC), "w+b", buffering=0)
    file.write(data)
    file.seek(0)
    return Content(file, len(data))
