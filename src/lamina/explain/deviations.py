"""Two builds of one Dockerfile beside each other: what came out otherwise the second time.  Pure.

Unlike `compare`, which looks at what a container would see, this goes layer by layer: every
entry of a layer is the work of one instruction, hidden by later ones or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from lamina.explain.difference import Aspect, Copy, differences
from lamina.explain.nondeterminism import Cause, cause_of
from lamina.explain.settings import SettingChange, setting_changes
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind

_PIECE = 1 << 16
_BEFORE = 1 << 12
"""Bytes before the first difference in which its line begins, if the file is a text."""


class Spot(msgspec.Struct, frozen=True):
    """Where two contents part."""

    offset: int
    """Of the first byte that differs, from 0; where one ends, the shorter one's length."""
    line: int = 0
    """From 1; 0 when the file is not a text."""
    first: str = ""
    """The line, as the first build has it; empty when it has none there."""
    second: str = ""


class Deviation(msgspec.Struct, frozen=True):
    """One path of one layer that came out otherwise."""

    layer: int
    """Counted from 0, the lowest."""
    path: str
    first: Entry | None
    """As the first build has it; None when only the second one has something there."""
    second: Entry | None
    aspects: tuple[Aspect, ...] = ()
    """In what it differs; empty when only one has it."""
    spot: Spot | None = None
    """Where the contents part; None when they do not."""
    cause: Cause | None = None
    """What is known to do that; None when nothing is."""

    @property
    def entry(self) -> Entry:
        """As one of the builds has it."""
        found = self.first or self.second
        assert found is not None, "one of them has it"
        return found


class Deviations(msgspec.Struct, frozen=True):
    """All that came out otherwise."""

    first: Stack
    second: Stack
    paths: list[Deviation]
    """By layer, then by path."""
    settings: list[SettingChange]


def deviations(first: Stack, second: Stack) -> Deviations:
    """What differs between two builds, times of last change included.

    Raises LayerDamaged where a content cannot be read.
    """
    paths = [
        each
        for layer in range(max(len(first), len(second)))
        for each in _in_layer(first, second, layer)
    ]
    return Deviations(first, second, paths, setting_changes(first.config, second.config))


def _in_layer(first: Stack, second: Stack, layer: int) -> Iterator[Deviation]:
    before, after = _listing(first, layer), _listing(second, layer)
    if before is not None and after is not None and before.diff_id == after.diff_id:
        return
    olds = {entry.path: entry for entry in before.entries} if before else {}
    news = {entry.path: entry for entry in after.entries} if after else {}
    for path in sorted(olds.keys() | news.keys(), key=lambda path: path.split("/")):
        old, new = olds.get(path), news.get(path)
        if old is None or new is None:
            yield Deviation(layer, path, old, new, cause=cause_of(path))
            continue
        copies = Copy(first, layer, old), Copy(second, layer, new)
        if aspects := differences(*copies, mtime=True):
            yield _changed(*copies, aspects)


def _listing(stack: Stack, layer: int) -> Listing | None:
    return stack.listings[layer] if layer < len(stack) else None


def _changed(old: Copy, new: Copy, aspects: tuple[Aspect, ...]) -> Deviation:
    path, spot, head = old.inode.path, None, b""
    if Aspect.CONTENT in aspects and old.inode.kind is Kind.FILE:
        with (
            old.stack.open(old.layer, old.inode) as first,
            new.stack.open(new.layer, new.inode) as second,
        ):
            spot = part(first, second)
            head = _head(first)
    lines = (spot.first, spot.second) if spot is not None and spot.line else None
    cause = cause_of(path, head=head, offset=spot.offset if spot else None, lines=lines)
    return Deviation(old.layer, path, old.inode, new.inode, aspects, spot, cause)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(16)


def part(first: BinaryIO, second: BinaryIO) -> Spot | None:
    """Where two contents part, from their beginnings; None when they do not."""
    offset, line, before = 0, 1, b""
    while True:
        old, new = first.read(_PIECE), second.read(_PIECE)
        if old == new:
            if not old:
                return None
            offset, line = offset + len(old), line + old.count(b"\n")
            before = (before + old)[-_BEFORE:]
            continue
        same = _same(old, new)
        line += old.count(b"\n", 0, same)
        start = (before + old[:same]).rpartition(b"\n")[2][-_BEFORE:]
        return _spot(offset + same, line, start + old[same:], start + new[same:])


def _same(first: bytes, second: bytes) -> int:
    """How many bytes are equal from the beginning on."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _spot(offset: int, line: int, first: bytes, second: bytes) -> Spot:
    """`first` and `second` begin with the line in which the contents part."""
    texts = [_line(each) for each in (first, second)]
    if texts[0] is None or texts[1] is None:
        return Spot(offset)
    return Spot(offset, line, texts[0], texts[1])


def _line(rest: bytes) -> str | None:
    """The first line; None when it is no text."""
    line = rest[: 2 * _BEFORE].split(b"\n", 1)[0]
    if b"\0" in rest[: 2 * _BEFORE]:
        return None
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut where the piece ends.
        return line[: error.start].decode("utf-8") if error.end >= len(line) else None
