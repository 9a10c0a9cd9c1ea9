"""The *tree* form: a layer as a directory that overlayfs takes, works everywhere.

What a directory has no place for (headers, superseded contents) lies beside it, so that the
exact tar comes back.  Files are shared with other layers through `objects`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamina.layer.contract import Form, Listing
from lamina.layer.entry import Entry, os_path
from lamina.layer.whiteout import Whiteouts
from lamina.linux.syscall import syncfs
from lamina.oci.digest import Digest
from lamina.store.errors import LayerDamaged, LayerNotFound, NotReadable
from lamina.store.form import TREE, Lower, StoredLayer, Written

if TYPE_CHECKING:
    from lamina.layer.hashing import BackgroundHash
    from lamina.layer.listing import StoredListing
    from lamina.store.contract import Filling
    from lamina.store.earlysync import EarlySync
    from lamina.store.objects import Objects

_PIECE = 1 << 19


class TreeForm:
    """Implements `LayerForm` (store/form.py)."""

    name: Form = "tree"

    def __init__(self, objects: Path, whiteouts: Whiteouts, directory: Path) -> None:
        self._objects_directory = objects
        self._directory = directory
        self.whiteouts = whiteouts
        """How trees say what is gone."""

    @cached_property
    def unusable(self) -> str:
        """Why layers cannot be kept in this form here; empty when they can."""
        from lamina.store.tree_probe import why_no_trees

        return why_no_trees(self._directory, self.whiteouts)

    @cached_property
    def objects(self) -> Objects:
        """The files that layers share."""
        from lamina.store.objects import Objects

        return Objects(self._objects_directory)

    # writing

    def write(self, place: Path, chunks: Iterable[bytes]) -> Written:
        from lamina.layer.apply import apply_tar
        from lamina.layer.hashing import BackgroundHash
        from lamina.layer.headers import HeadersWriter
        from lamina.layer.listing import StoredListing
        from lamina.layer.tar import TarReader
        from lamina.store.earlysync import EarlySync

        (place / TREE).mkdir(mode=0o755)
        with (
            BackgroundHash() as hasher,
            HeadersWriter(place / "headers") as headers,
            EarlySync(place) as early,
        ):
            reader = TarReader(_fed(chunks, hasher, early), keep=headers.write)
            applied = apply_tar(
                reader,
                place / TREE,
                place / "extra",
                whiteouts=self.whiteouts,
                shared=self.objects.remembered(),
            )
        listing = Listing(Digest.from_raw(hasher.digest()), applied.entries, reader.position)
        stored = StoredListing(listing, applied.extras)
        return Written(stored, headers=_headers_of(place), offers=applied.offers)

    def adopt(self, place: Path, upper: Path, filling: Filling | None) -> Written:
        """Take the upper directory of an overlay over by rename; one walk reads and hashes it,
        or its files alone are read, when a `filling` says the rest."""
        from lamina.layer.hashing import BackgroundHash, hash_of_files
        from lamina.layer.headers import HeadersWriter
        from lamina.layer.listing import StoredListing
        from lamina.store.earlysync import EarlySync

        with (
            BackgroundHash() if filling is None else hash_of_files() as hasher,
            HeadersWriter(place / "headers") as headers,
            EarlySync(place) as early,
        ):
            if filling is None:
                from lamina.store.trees import adopt_tree

                applied, size = adopt_tree(
                    upper, hasher.feed, headers.write, self.objects, self.whiteouts, early.wrote
                )
            else:
                from lamina.store.adopting import adopt_filling

                applied, size = adopt_filling(
                    upper, filling, hasher, headers.write, self.objects, early.wrote
                )
        os.rename(upper, place / TREE)
        listing = Listing(Digest.from_raw(hasher.digest()), applied.entries, size)
        return Written(
            StoredListing(listing, {}), headers=_headers_of(place), offers=applied.offers
        )

    def sync(self, place: Path) -> None:
        directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # One sync of the file system for all files: an fsync each would take seconds.
            syncfs(directory)
        finally:
            os.close(directory)

    def named(self, place: Path, written: Written) -> None:
        # Last, so that objects/ has files of whole layers only.
        base = os.fsencode(place) + b"/fs/"
        for path, key in written.offers.items():
            self.objects.offer(key, base + os_path(path))

    # reading

    def lower(self, layer: StoredLayer) -> Lower:
        if not layer.place.is_dir():
            raise LayerNotFound(layer.diff_id)
        return Lower(layer.place / TREE)

    def tar(self, layer: StoredLayer) -> Iterator[bytes]:
        return _gathered(self._tar_pieces(layer, layer.stored))

    def _tar_pieces(self, layer: StoredLayer, stored: StoredListing) -> Iterator[bytes]:
        from lamina.layer.headers import HeadersReader

        at = 0
        with HeadersReader(layer.place / "headers") as headers:
            try:
                for entry in stored.listing.entries:
                    if entry.size:
                        yield from headers.take(entry.offset - at)
                        yield from self._content(layer, stored.extras, entry)
                        at = entry.offset + entry.size
                yield from headers.take(stored.listing.tar_size - at)
            except (EOFError, ValueError) as error:
                raise LayerDamaged(layer.diff_id, f"its headers cannot be read ({error})") from None

    def _content(
        self, layer: StoredLayer, extras: Mapping[int, int], entry: Entry
    ) -> Iterator[bytes]:
        fd = self._open(layer, extras, entry)
        left = entry.size
        try:
            while left:
                piece = os.read(fd, min(left, _PIECE))
                if not piece:
                    raise LayerDamaged(layer.diff_id, f"{entry.path!r} is shorter than it was")
                left -= len(piece)
                yield piece
            if entry.offset not in extras and os.read(fd, 1):
                raise LayerDamaged(layer.diff_id, f"{entry.path!r} is longer than it was")
        finally:
            os.close(fd)

    def open(self, layer: StoredLayer, entry: Entry) -> BinaryIO:
        from lamina.store.part import Part

        extras = layer.stored.extras if (layer.place / "extra").exists() else {}
        fd = self._open(layer, extras, entry)
        if entry.offset in extras:
            return io.BufferedReader(Part(fd, entry.size))
        return os.fdopen(fd, "rb")

    def _open(self, layer: StoredLayer, extras: Mapping[int, int], entry: Entry) -> int:
        base = os.fsencode(layer.place)
        try:
            if entry.offset in extras:
                fd = os.open(base + b"/extra", os.O_RDONLY | os.O_CLOEXEC)
                os.lseek(fd, extras[entry.offset], os.SEEK_SET)
                return fd
            path = base + b"/fs/" + os_path(entry.path)
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if not layer.place.is_dir():
                raise LayerNotFound(layer.diff_id) from None
            if isinstance(error, PermissionError):
                raise NotReadable(f"{entry.path!r} of layer {layer.diff_id.short}") from None
            raise LayerDamaged(
                layer.diff_id, f"{entry.path!r} cannot be read ({error.strerror})"
            ) from None

    def hashed(self, layer: StoredLayer) -> StoredListing:
        return layer.stored  # every file was hashed when it was written

    def relisted(self, layer: StoredLayer) -> StoredListing:
        from lamina.store.relisting import relisted, tar_by_headers

        if (layer.place / "extra").exists():
            # Which of the contents lie there only the listing knew.
            raise LayerDamaged(layer.diff_id, "its listing is damaged")
        waiting: list[Entry] = []
        tar = tar_by_headers(
            layer.place / "headers",
            waiting,
            lambda entry: self._content(layer, {}, entry) if entry.size else iter(()),
        )
        return relisted(layer.diff_id, tar, met=waiting.append)

    # checking, measuring, removing

    def problems(self, layer: StoredLayer) -> Iterator[str]:
        from lamina.store.treecheck import check_tree

        stored = layer.stored
        try:
            if _headers_of(layer.place) != layer.record.headers:
                yield "its headers are not what they were"
        except OSError:
            pass  # missing: reading the tar tells
        if not _extra_is_whole(layer.place, stored):
            yield "its extra has another length"
        yield from check_tree(layer.place / TREE, stored.listing.entries, self.whiteouts)

    def usage(self, layer: StoredLayer) -> int:
        from lamina.store.trees import tree_usage

        return tree_usage(layer.place, layer.stored.listing, self.objects)

    def removing(self, layer: StoredLayer) -> None:
        try:
            layer.stored  # noqa: B018 - read while it is there, for `removed`
        except LayerDamaged:
            pass

    def removed(self, layer: StoredLayer) -> int:
        try:
            entries = layer.stored.listing.entries
        except (LayerDamaged, LayerNotFound):
            return self.objects.sweep()
        return sum(self.objects.release(entry) for entry in entries)


def _headers_of(place: Path) -> Digest:
    return Digest.of((place / "headers").read_bytes())


def _extra_is_whole(place: Path, stored: StoredListing) -> bool:
    """Whether the superseded contents are as long as they were; their bytes the tar tells."""
    extra = place / "extra"
    sizes = [each.size for each in stored.listing.entries if each.offset in stored.extras]
    return sum(sizes) == (extra.stat().st_size if extra.exists() else 0)


def _fed(chunks: Iterable[bytes], hasher: BackgroundHash, early: EarlySync) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.feed(chunk)
        yield chunk
        early.wrote(len(chunk))


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: a small file is not worth a step of its own."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > 2 * _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
        waiting.append(piece)
        size += len(piece)
    if waiting:
        yield b"".join(waiting)
