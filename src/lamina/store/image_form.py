"""The *image* form: a layer's raw tar as one file, and an EROFS image that points into it.

Unpacking is one sequential write, deleting one unlink, and no name from the archive is ever
resolved on this host.  The image is a few MB of metadata; its files' contents are the tar's
own bytes, 512-byte blocks of the `device=` that the tar is.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamina.layer.contract import Form
from lamina.layer.entry import Entry
from lamina.linux import mounts
from lamina.store.atomic import replace_file
from lamina.store.errors import LayerDamaged, LayerNotFound, NotMounted, writing
from lamina.store.form import COMPRESSED, EROFS, LISTING, RECORD, TAR, Lower, StoredLayer, Written
from lamina.store.mounts import LayerMounts

if TYPE_CHECKING:
    from lamina.layer.listing import StoredListing

_PIECE = 1 << 20
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
        from lamina.store.image_writing import write_layer

        return write_layer(place, chunks)

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
        fd = layer.open(TAR)
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

        fd = layer.open(TAR)
        if os.fstat(fd).st_size < entry.offset + entry.size:
            os.close(fd)
            raise LayerDamaged(layer.diff_id, f"its tar ends before {entry.path!r}")
        os.lseek(fd, entry.offset, os.SEEK_SET)
        return io.BufferedReader(Part(fd, entry.size))

    def hashed(self, layer: StoredLayer) -> StoredListing:
        if layer.columns.hashed:
            return layer.stored
        from lamina.layer.listing import StoredListing, encode
        from lamina.store.image_writing import hashed

        found = StoredListing(hashed(layer, layer.stored.listing), {})
        with writing(layer.place):
            # Not synced: whoever loses it hashes once more.
            replace_file(layer.place / LISTING, encode(found), durable=False)
        return found

    def relisted(self, layer: StoredLayer) -> StoredListing:
        from lamina.store.relisting import relisted

        return relisted(layer.diff_id, self.tar(layer))

    # checking, measuring, removing

    def problems(self, layer: StoredLayer) -> Iterator[str]:
        from lamina.store.image_writing import problems

        return problems(layer, self.tar(layer))

    def usage(self, layer: StoredLayer) -> int:
        paths = [layer.place, *(layer.place / name for name in os.listdir(layer.place))]
        return sum(path.lstat().st_blocks * 512 for path in paths)

    def removing(self, layer: StoredLayer) -> None:
        pass

    def removed(self, layer: StoredLayer) -> int:
        # After its name is gone, or somebody could mount it anew in between.
        self._mounts.drop(layer.diff_id)
        return 0
