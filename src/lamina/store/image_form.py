"""The *image* form: a layer's raw tar as one file, and an EROFS image that points into it.

Unpacking is one sequential write, deleting one unlink, and no name from the archive is ever
resolved on this host.  The image is a few MB of metadata; its files' contents are the tar's
own bytes, 512-byte blocks of the `device=` that the tar is.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from lamina.layer.contract import Form, Listing
from lamina.layer.entry import Entry, Kind
from lamina.linux import mounts, syscall
from lamina.oci.digest import Digest
from lamina.store.atomic import replace_file, write_whole
from lamina.store.errors import LayerDamaged, LayerNotFound, NotMounted, writing
from lamina.store.form import COMPRESSED, EROFS, LISTING, RECORD, TAR, Lower, StoredLayer, Written
from lamina.store.mounts import LayerMounts

if TYPE_CHECKING:
    from lamina.layer.layer_tree import LayerTree
    from lamina.layer.listing import StoredListing

_PIECE = 1 << 20
_EAGER = 8 << 20
"""Bytes after which the kernel is told to begin writing."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_REASONS = {
    errno.ENODEV: "this kernel has no EROFS",
    errno.ENOTBLK: "this kernel, or the file system of the store, does not mount EROFS from"
    " a file (Linux 6.12 and later do, from ext4, XFS and Btrfs)",
    errno.EPERM: "this process may not mount",
    errno.EINVAL: "this kernel does not know EROFS with blocks of 512 bytes",
}


class ImageForm:
    """Implements `LayerForm` (store/form.py)."""

    name: Form = "image"

    def __init__(self, directory: Path, layer_mounts: LayerMounts) -> None:
        self._directory = directory
        self._mounts = layer_mounts

    @cached_property
    def unusable(self) -> str:
        """Why layers cannot be kept in this form here; empty when they can."""
        if os.geteuid() != 0:
            return "only root mounts EROFS"
        try:
            os.close(self._probe())
        except OSError as error:
            return _REASONS.get(error.errno or 0, f"EROFS cannot be mounted: {error.strerror}")
        return ""

    def _probe(self) -> int:
        """Mount an empty layer, from files without names."""
        from lamina.layer.erofs import write_image
        from lamina.layer.layer_tree import LayerTree

        image = b"".join(write_image(LayerTree(), data_size=_PIECE))
        fds: list[int] = []
        try:
            for content in (image, bytes(_PIECE)):
                fds.append(os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
                os.write(fds[-1], content)
            return mounts.open_erofs(*fds)
        finally:
            for fd in fds:
                os.close(fd)

    # writing

    def write(self, place: Path, chunks: Iterable[bytes]) -> Written:
        from lamina.layer.background import Background
        from lamina.layer.layer_tree import LayerTree
        from lamina.layer.listing import StoredListing
        from lamina.layer.tar import TarReader

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

    def sync(self, place: Path) -> None:
        # Each by itself: syncfs(2) would wait for whatever else is being written.
        for name in (TAR, EROFS, LISTING, RECORD, COMPRESSED, "."):
            try:
                fd = os.open(place / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def named(self, place: Path, written: Written) -> None:
        pass

    # reading

    def lower(self, layer: StoredLayer) -> Lower:
        try:
            fd = self._mounts.hold(layer.diff_id, layer.place, directio=False)
        except OSError as error:
            if not layer.place.is_dir():
                raise LayerNotFound(layer.diff_id) from None
            raise NotMounted(layer.diff_id, self.unusable or str(error.strerror)) from None
        return Lower(self._mounts.place(layer.diff_id), fd)

    def tar(self, layer: StoredLayer) -> Iterator[bytes]:
        size = layer.record.tar_size
        return self._pieces(layer, size)

    def _pieces(self, layer: StoredLayer, size: int) -> Iterator[bytes]:
        fd = _open_tar(layer)
        try:
            if os.fstat(fd).st_size != size:
                raise LayerDamaged(layer.diff_id, "its tar has another length")
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while piece := os.read(fd, _PIECE):
                yield piece
        finally:
            os.close(fd)

    def open(self, layer: StoredLayer, entry: Entry) -> BinaryIO:
        from lamina.store.part import Part

        fd = _open_tar(layer)
        if os.fstat(fd).st_size < entry.offset + entry.size:
            os.close(fd)
            raise LayerDamaged(layer.diff_id, f"its tar ends before {entry.path!r}")
        os.lseek(fd, entry.offset, os.SEEK_SET)
        return io.BufferedReader(Part(fd, entry.size))

    def hashed(self, layer: StoredLayer) -> StoredListing:
        from lamina.layer.listing import StoredListing, encode

        listing = layer.stored.listing
        if all(entry.sha256 for entry in listing.entries if entry.kind is Kind.FILE):
            return layer.stored
        hashed = StoredListing(_hashed(layer, listing), {})
        with writing(layer.place):
            # Not synced: whoever loses it hashes once more.
            replace_file(layer.place / LISTING, encode(hashed), durable=False)
        return hashed

    # checking, measuring, removing

    def problems(self, layer: StoredLayer) -> Iterator[str]:
        from lamina.layer.errors import BadLayer
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
            found = tuple(map(tree.add, TarReader(self.tar(layer))))
            if tuple(map(_bare, found)) != tuple(map(_bare, known.entries)):
                yield "its listing is not that of its tar"
                return
            actual = _hashed(layer, Listing(layer.diff_id, found, known.tar_size)).entries
        except BadLayer as error:
            yield f"its tar: {error}"
        except LayerDamaged as error:
            yield error.reason
        else:
            for entry, listed in zip(actual, known.entries, strict=True):
                if listed.sha256 not in (b"", entry.sha256):
                    yield f"{entry.path!r} has other content"

    def usage(self, layer: StoredLayer) -> int:
        paths = [layer.place, *(layer.place / name for name in os.listdir(layer.place))]
        return sum(path.lstat().st_blocks * 512 for path in paths)

    def removing(self, layer: StoredLayer) -> None:
        pass

    def removed(self, layer: StoredLayer) -> int:
        # After its name is gone, or somebody could mount it anew in between.
        self._mounts.drop(layer.diff_id)
        return 0


class _TarFile:
    """The tar as it is written: hashed, and put on disk while there is still more to come."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _CREATE, 0o600)
        self._hash = hashlib.sha256()
        self._size = 0
        self._begun = 0
        self._error: OSError | None = None

    def write(self, piece: bytes) -> None:
        self._hash.update(piece)
        write_whole(self._fd, piece)
        self._size += len(piece)
        if self._size - self._begun >= _EAGER:
            syscall.sync_file_range(self._fd, self._begun, self._size - self._begun)
            self._begun = self._size

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
    from lamina.layer.erofs import write_image

    hasher = hashlib.sha256()
    fd = os.open(path, _CREATE, 0o600)
    try:
        for piece in write_image(tree, data_size=tar_size):
            hasher.update(piece)
            write_whole(fd, piece)
    finally:
        os.close(fd)
    return Digest.from_raw(hasher.digest())


def _open_tar(layer: StoredLayer) -> int:
    try:
        return os.open(layer.place / TAR, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LayerDamaged(layer.diff_id, f"its tar cannot be read ({error.strerror})") from None


def _hashed(layer: StoredLayer, listing: Listing) -> Listing:
    """`listing` with the sha256 of every file, read from the tar."""
    fd = _open_tar(layer)
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
