"""An upper directory that somebody fills who knows what is in it, as a layer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from lamina.layer.apply import Applied
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.hashing import StreamHash
from lamina.layer.tar import BLOCK
from lamina.layer.tarwriter import encode_header, write_tar
from lamina.store.contract import Filling
from lamina.store.objects import Objects

_PIECE = 1 << 20
_ZEROS = bytes(2 * BLOCK)
_EMPTY = hashlib.sha256(b"").digest()
_ROOT_MODE = 0o755


def adopt_filling(
    root: Path,
    filling: Filling,
    tar: StreamHash,
    keep: Callable[[bytes], object],
    objects: Objects,
    unsynced: Callable[[int], object],
) -> tuple[Applied, int]:
    """Have all of `filling` in `root`; returns what layer it is and the length of its tar.

    `tar` hashes that, `keep` gets what of it is not content, and `unsynced` is told how many
    bytes were written lately.  A file that `objects` has is linked and read once, by what
    hashes the tar; so is one that is written and sure to be what its sha256 says.  Any other is
    hashed by itself as well, and linked if it turns out to be known.
    """
    entries = filling.entries
    reader = _Reader(os.fsencode(root) + b"/", filling, tar, keep, objects.remembered(), unsynced)
    reader.unsynced(sum(entry.size for entry in entries if not entry.sha256))
    for entry in sorted(entries, key=_order):
        reader.add(entry)
    reader.end()
    os.chmod(root, _ROOT_MODE)
    return Applied(tuple(reader.entries), {}, reader.offers), reader.position


def tar_of_filling(root: Path, filling: Filling) -> Iterator[bytes]:
    """The tar of the same layer; files that are not there yet are written, nothing is linked."""
    base = os.fsencode(root) + b"/"
    entries = sorted(filling.entries, key=_order)
    for entry in entries:
        if entry.sha256:
            filling.write(entry)
    return write_tar(entries, lambda entry: _pieces(base + os_path(entry.path)))


def _pieces(path: bytes) -> Iterator[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while piece := os.read(fd, _PIECE):
            yield piece
    finally:
        os.close(fd)


def _order(entry: Entry) -> bytes:
    """Parents before children, names by their bytes."""
    return os_path(entry.path).replace(b"/", b"\0")


class _Reader:
    def __init__(
        self,
        base: bytes,
        filling: Filling,
        tar: StreamHash,
        keep: Callable[[bytes], object],
        objects: Objects,
        unsynced: Callable[[int], object],
    ) -> None:
        self.base = base
        self.filling = filling
        self.tar = tar
        self.keep = keep
        self.objects = objects
        self.unsynced = unsynced
        self.entries: list[Entry] = []
        self.offers: dict[str, bytes] = {}
        self.position = 0
        self.padding = b""
        """What the file before ends with: handed on with the next header."""

    def add(self, entry: Entry) -> None:
        header = self.padding + encode_header(entry)
        self.padding = b""
        self._pass_on(header)
        if entry.kind is Kind.FILE:
            entry = self._file(entry) if entry.size else self._empty(entry)
        self.entries.append(entry)

    def end(self) -> None:
        """Write the end of the tar, and give directories the times that filling them changed."""
        self._pass_on(self.padding + _ZEROS)
        for entry in self.entries:
            if entry.kind is Kind.DIRECTORY:
                os.utime(self.base + os_path(entry.path), ns=(entry.mtime, entry.mtime))

    def _pass_on(self, data: bytes) -> None:
        """Bytes of the tar that are not content."""
        self.tar.feed(data)
        self.keep(data)
        self.position += len(data)

    def _empty(self, entry: Entry) -> Entry:
        if entry.sha256:
            self.filling.write(entry)
        return msgspec.structs.replace(entry, sha256=_EMPTY, offset=self.position)

    def _file(self, entry: Entry) -> Entry:
        offset = self.position
        place = self.base + os_path(entry.path)
        if not self._take(entry, place):
            if not self._write(entry):
                entry = msgspec.structs.replace(entry, sha256=_hashed(entry, place))
            self._share(entry, place)
        self.tar.feed_file(place, entry.size)
        self.position += entry.size
        self.padding = _ZEROS[: -entry.size % BLOCK]
        return msgspec.structs.replace(entry, offset=offset)

    def _take(self, entry: Entry, place: bytes) -> bool:
        """Have a file that is not there yet, if layers share it."""
        key = self.objects.key(entry) if entry.sha256 else None
        return key is not None and self.objects.take(key, place)

    def _write(self, entry: Entry) -> bool:
        """Have a file that is not there yet in its place; whether its sha256 is sure."""
        if not entry.sha256:
            return False
        sure = self.filling.write(entry)
        self.unsynced(entry.size)
        return sure

    def _share(self, entry: Entry, place: bytes) -> None:
        key = self.objects.key(entry)
        if key is not None and not self.objects.take(key, place):
            self.offers[entry.path] = key


def _hashed(entry: Entry, place: bytes) -> bytes:
    hasher = hashlib.sha256()
    left = entry.size
    fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while left and (piece := os.read(fd, min(left, _PIECE))):
            hasher.update(piece)
            left -= len(piece)
    finally:
        os.close(fd)
    if left:
        raise BadLayer(f"{entry.path!r} changed while it was read")
    return hasher.digest()
