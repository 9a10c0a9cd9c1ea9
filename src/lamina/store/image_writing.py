"""Layers in image form as they are written, hashed and checked."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import msgspec

from lamina.layer.background import Background
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.erofs import write_image
from lamina.layer.errors import BadLayer
from lamina.layer.layer_tree import LayerTree
from lamina.layer.listing import StoredListing
from lamina.layer.tar import TarReader
from lamina.linux import syscall
from lamina.oci.digest import Digest
from lamina.store.atomic import write_whole
from lamina.store.errors import LayerDamaged
from lamina.store.form import EROFS, TAR, StoredLayer, Written

_PIECE = 1 << 20
_EAGER = 8 << 20
"""Bytes after which the kernel is told to begin writing."""
_CACHED = 256 << 20
"""Bytes of one layer that stay in the page cache for its first container.  What comes after
them leaves it as soon as it is on disk, and pushes out nothing that others have there
(docs/memory.md)."""
_HERE = -1
"""For pwritev2(2): the file's own position, which moves."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def write_layer(place: Path, chunks: Iterable[bytes]) -> Written:
    """Write a tar stream to `place`, and the image that points into it; see `LayerForm.write`."""
    tree = LayerTree()
    file = _TarFile(place / TAR)
    try:
        with Background(file.write, name="tar") as background:
            reader = TarReader(_fed(chunks, background.feed))
            entries = tuple(map(tree.add, reader))
        with file.syncing():
            tree.finish()
            erofs = _write_image(place / EROFS, tree, reader.position)
    finally:
        file.close()
    listing = Listing(file.digest, entries, reader.position)
    return Written(StoredListing(listing, {}), erofs=erofs)


class _TarFile:
    """The tar as it is written: hashed, and put on disk while there is still more to come."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _CREATE, 0o600)
        self._hash = hashlib.sha256()
        self._size = 0
        self._begun = 0
        self._uncached = True
        self._error: OSError | None = None

    def write(self, piece: bytes) -> None:
        self._hash.update(piece)
        left = memoryview(piece) if self._size < _CACHED else self._write_uncached(piece)
        write_whole(self._fd, left)
        self._size += len(piece)
        if self._size - self._begun >= _EAGER:
            syscall.sync_file_range(self._fd, self._begun, self._size - self._begun)
            self._begun = self._size

    def _write_uncached(self, piece: bytes) -> memoryview:
        """Returns what is left: all, where the kernel (before 6.14) or the file system cannot."""
        left = memoryview(piece)
        while left and self._uncached:
            try:
                left = left[os.pwritev(self._fd, [left], _HERE, syscall.RWF_DONTCACHE) :]
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
                self._uncached = False
        return left

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Put all of it on disk beside the block, on disk at its end."""
        thread = Thread(target=self._sync, name="sync", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if self._error is not None:
            # The kernel tells of a failed write once: another sync would say that all is well.
            raise self._error

    def _sync(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._error = error

    @property
    def digest(self) -> Digest:
        return Digest.from_raw(self._hash.digest())

    def close(self) -> None:
        os.close(self._fd)


def _fed(chunks: Iterable[bytes], feed: Callable[[bytes], object]) -> Iterator[bytes]:
    for chunk in chunks:
        feed(chunk)
        yield chunk


def _write_image(path: Path, tree: LayerTree, tar_size: int) -> Digest:
    hasher = hashlib.sha256()
    fd = os.open(path, _CREATE, 0o600)
    try:
        for piece in write_image(tree, data_size=tar_size):
            hasher.update(piece)
            write_whole(fd, piece)
    finally:
        os.close(fd)
    return Digest.from_raw(hasher.digest())


def hashed(layer: StoredLayer, listing: Listing) -> Listing:
    """`listing` with the sha256 of every file, read from the tar."""
    fd = layer.open(TAR)
    try:
        entries = tuple(
            entry
            if entry.sha256 or entry.kind is not Kind.FILE
            else msgspec.structs.replace(entry, sha256=_sha256(fd, entry, layer.diff_id))
            for entry in listing.entries
        )
    finally:
        os.close(fd)
    return Listing(listing.diff_id, entries, listing.tar_size)


def _sha256(tar: int, entry: Entry, diff_id: Digest) -> bytes:
    hasher = hashlib.sha256()
    at, end = entry.offset, entry.offset + entry.size
    while at < end:
        piece = os.pread(tar, min(_PIECE, end - at), at)
        if not piece:
            raise LayerDamaged(diff_id, f"its tar ends before {entry.path!r}")
        hasher.update(piece)
        at += len(piece)
    return hasher.digest()


def _bare(entry: Entry) -> Entry:
    """Without the digest, which a listing may have or not."""
    return msgspec.structs.replace(entry, sha256=b"")


def problems(layer: StoredLayer, tar: Iterator[bytes]) -> Iterator[str]:
    """What of the layer's files is not as it was written, a clause each."""
    from lamina.layer.layer_tree import LayerTree
    from lamina.layer.tar import TarReader

    try:
        if Digest.of((layer.place / EROFS).read_bytes()) != layer.record.erofs:
            yield "its EROFS image is not what it was"
    except OSError as error:
        yield f"its EROFS image cannot be read ({error.strerror})"
    known = layer.stored.listing
    tree = LayerTree()
    try:
        found = tuple(map(tree.add, TarReader(tar)))
        if tuple(map(_bare, found)) != tuple(map(_bare, known.entries)):
            yield "its listing is not that of its tar"
            return
        actual = hashed(layer, Listing(layer.diff_id, found, known.tar_size)).entries
    except BadLayer as error:
        yield f"its tar: {error}"
    except LayerDamaged as error:
        yield error.reason
    else:
        for entry, listed in zip(actual, known.entries, strict=True):
            if listed.sha256 not in (b"", entry.sha256):
                yield f"{entry.path!r} has other content"
