"""A layer's tar read for its listing alone: nothing of it is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer, DiffIdMismatch
from lamina.layer.hashing import BackgroundHash
from lamina.layer.layer_tree import LayerTree
from lamina.layer.tar import TarReader
from lamina.oci.digest import Digest

_LOOK = 16 << 10
"""Bytes that are read for a header: those of small files come with it."""
_PIECE = 1 << 20
_EMPTY = hashlib.sha256(b"").digest()


def read_listing(
    tar: Iterable[bytes], diff_id: Digest, *, met: Callable[[Entry], object] = lambda entry: None
) -> Listing:
    """The listing of a tar stream, with the sha256 of every file.

    `met` gets each entry before its content is taken from `tar`.  Constant memory but for
    the entries.  Raises BadLayer, and DiffIdMismatch unless the stream is the one that
    `diff_id` names.
    """
    tree = LayerTree()
    entries = []
    with BackgroundHash() as whole:
        reader = TarReader(_fed(tar, whole.feed))
        for entry in map(tree.add, reader):
            met(entry)
            entries.append(_hashed(entry, reader) if entry.kind is Kind.FILE else entry)
    actual = Digest.from_raw(whole.digest())
    if actual != diff_id:
        raise DiffIdMismatch(diff_id, actual)
    return Listing(diff_id, tuple(entries), reader.position)


class TarFile:
    """A tar that is a stretch of a file: read from header to header, content left where it is.

    Iterate for pieces; `jump` takes the next one so many bytes further.  A stretch that is
    cut off ends early.
    """

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._at = offset
        self._end = offset + size

    def __iter__(self) -> Iterator[bytes]:
        while piece := os.pread(self._fd, max(0, min(_LOOK, self._end - self._at)), self._at):
            self._at += len(piece)
            yield piece

    def jump(self, count: int) -> None:
        """Leave the next `count` bytes out."""
        self._at += count

    @property
    def is_past_its_end(self) -> bool:
        """Whether there was less than a jump left out."""
        return self._at > self._end


def read_headers(tar: TarFile, diff_id: Digest) -> Listing:
    """The listing of a tar without a look at any content: no sha256 but that of empty files.

    Raises BadLayer.  Whether it is the tar that `diff_id` names, only all of it would tell.
    """
    reader = TarReader(tar, jump=tar.jump)
    entries = tuple(map(_empty_hashed, map(LayerTree().add, reader)))
    if tar.is_past_its_end:
        raise BadLayer(f"the tar is cut off at byte {reader.position}")
    return Listing(diff_id, entries, reader.position)


def _empty_hashed(entry: Entry) -> Entry:
    if entry.size or entry.kind is not Kind.FILE:
        return entry
    return msgspec.structs.replace(entry, sha256=_EMPTY)


def hash_some(listing: Listing, places: Collection[int], fd: int, offset: int) -> Listing:
    """The listing with the sha256 of the files at `places`; its tar begins at `offset` of the
    open file `fd`."""
    entries = list(listing.entries)
    for at in places:
        entry = entries[at]
        digest = hashlib.sha256()
        for start in range(0, entry.size, _PIECE):
            size = min(_PIECE, entry.size - start)
            digest.update(os.pread(fd, size, offset + entry.offset + start))
        entries[at] = msgspec.structs.replace(entry, sha256=digest.digest())
    return msgspec.structs.replace(listing, entries=tuple(entries))


def _hashed(entry: Entry, reader: TarReader) -> Entry:
    digest = hashlib.sha256()
    for piece in reader.content():
        digest.update(piece)
    return msgspec.structs.replace(entry, sha256=digest.digest())


def _fed(tar: Iterable[bytes], feed: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in tar:
        feed(piece)
        yield piece
