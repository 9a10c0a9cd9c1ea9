"""An upper directory that somebody filled who knows what is in it, as a layer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lamina.layer.apply import Applied
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.hashing import BackgroundHash
from lamina.layer.tar import BLOCK
from lamina.layer.tarwriter import encode_header
from lamina.store.objects import Objects

_PIECE = 1 << 20
_ZEROS = bytes(2 * BLOCK)
_EMPTY = hashlib.sha256(b"").digest()
_ROOT_MODE = 0o755


def adopt_known(
    root: Path,
    known: Sequence[Entry],
    tar: BackgroundHash,
    keep: Callable[[bytes], object],
    objects: Objects,
    unsynced: Callable[[int], object],
) -> tuple[Applied, int]:
    """Read the files of `root`, of which all else is `known`; returns what layer it is and
    the length of its tar.

    `tar` hashes that, `keep` gets what of it is not content, and `unsynced` is told how many
    bytes were written lately.  Files without a sha256 are hashed by themselves as well, and
    linked to `objects` if it knows them.
    """
    reader = _Reader(os.fsencode(root) + b"/", tar, keep, objects.remembered())
    unsynced(sum(entry.size for entry in known if not entry.sha256))
    for entry in sorted(known, key=_order):
        reader.add(entry)
    reader.pass_on(_ZEROS)
    reader.restore_times()
    os.chmod(root, _ROOT_MODE)
    return Applied(tuple(reader.entries), {}, reader.offers), reader.position


def _order(entry: Entry) -> bytes:
    """Parents before children, names by their bytes."""
    return os_path(entry.path).replace(b"/", b"\0")


class _Reader:
    def __init__(
        self, base: bytes, tar: BackgroundHash, keep: Callable[[bytes], object], objects: Objects
    ) -> None:
        self.base = base
        self.tar = tar
        self.keep = keep
        self.objects = objects
        self.entries: list[Entry] = []
        self.offers: dict[str, bytes] = {}
        self.position = 0
        self.taken: set[str] = set()
        """Directories in which a file was exchanged."""

    def pass_on(self, data: bytes) -> None:
        """Bytes of the tar that are not content."""
        self.tar.feed(data)
        self.keep(data)
        self.position += len(data)

    def add(self, entry: Entry) -> None:
        self.pass_on(encode_header(entry))
        if entry.kind is Kind.FILE:
            entry = self._file(entry)
        self.entries.append(entry)

    def _file(self, entry: Entry) -> Entry:
        offset = self.position
        if not entry.size:
            return msgspec.structs.replace(entry, sha256=_EMPTY, offset=offset)
        place = self.base + os_path(entry.path)
        if entry.sha256:
            self.tar.feed_file(place, entry.size)
            entry = msgspec.structs.replace(entry, offset=offset)
        else:
            digest = self._hashed(entry, place)
            entry = msgspec.structs.replace(entry, sha256=digest, offset=offset)
            self._share(entry, place)
        self.position += entry.size
        if padding := -entry.size % BLOCK:
            self.pass_on(_ZEROS[:padding])
        return entry

    def _hashed(self, entry: Entry, place: bytes) -> bytes:
        hasher = hashlib.sha256()
        left = entry.size
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while left and (piece := os.read(fd, min(left, _PIECE))):
                self.tar.feed(piece)
                hasher.update(piece)
                left -= len(piece)
        finally:
            os.close(fd)
        if left:
            raise BadLayer(f"{entry.path!r} changed while it was read")
        return hasher.digest()

    def _share(self, entry: Entry, place: bytes) -> None:
        key = self.objects.key(entry)
        if key is None:
            return
        if self.objects.take(key, place):
            self.taken.add(entry.parent)
        else:
            self.offers[entry.path] = key

    def restore_times(self) -> None:
        """Of directories in which a file was exchanged for a shared one."""
        for entry in self.entries:
            if entry.kind is Kind.DIRECTORY and entry.path in self.taken:
                os.utime(self.base + os_path(entry.path), ns=(entry.mtime, entry.mtime))
