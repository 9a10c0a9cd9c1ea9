"""An image read where it lies, layer by layer; nothing of it goes into a store."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import BinaryIO, Protocol, runtime_checkable

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry
from lamina.layer.pipeline import reading, staged
from lamina.layer.reading import TarFile, hash_some, read_headers, read_listing
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.registry.contract import Source
from lamina.store.part import Part
from lamina.transfer.members import Extent
from lamina.transfer.receive import Documents, expansion_limit

Undecided = Callable[[Sequence[Listing]], Sequence[Collection[int]]]
"""Of the layers' listings, layer by layer the places of the files whose sha256 matters."""


@runtime_checkable
class _OnDisk(Protocol):
    """A source whose blobs lie in files."""

    def extent(self, descriptor: Descriptor) -> AbstractContextManager[Extent]:
        """Where a blob's bytes lie."""
        ...


class SourceContents:
    """The layers of one image of a source: their listings, and the files in them.

    A layer is read once for its listing, and its digest is checked.  But with `undecided` a
    tar on the disk is read from header to header: of its contents only those are that this
    asks for, and whether it is the tar that it should be nobody looks.

    When a file is first opened, a layer that is no tar on the disk is read again, into a file
    without a name: a stream has no other way to reach a file in it.  `close` lets go of these.
    """

    def __init__(
        self, source: Source, documents: Documents, *, undecided: Undecided | None = None
    ) -> None:
        self._source = source
        self._pairs = documents.pairs
        self._undecided = undecided
        self._tars: dict[int, BinaryIO] = {}

    def listing(self, layer: int) -> Listing:
        """Every entry of a layer, 0 is the lowest.

        Raises DiffIdMismatch, BadLayer, BadCompression, and what the source raises.
        """
        return self._whole(layer) if self._undecided is None else self._glances[layer]

    @cached_property
    def _glances(self) -> Sequence[Listing]:
        assert self._undecided is not None
        found = [self._headers(layer) for layer in range(len(self._pairs))]
        return [
            self._hashed(layer, *each)
            for layer, each in enumerate(zip(found, self._undecided(found), strict=True))
        ]

    def _headers(self, layer: int) -> Listing:
        descriptor, diff_id = self._pairs[layer]
        if not (descriptor.digest == diff_id and isinstance(self._source, _OnDisk)):
            return self._whole(layer)
        with self._source.extent(descriptor) as extent:
            return read_headers(TarFile(*extent), diff_id)

    def _hashed(self, layer: int, listing: Listing, places: Collection[int]) -> Listing:
        descriptor, _ = self._pairs[layer]
        if not (places and isinstance(self._source, _OnDisk)):
            return listing
        with self._source.extent(descriptor) as extent:
            return hash_some(listing, places, extent.fd, extent.offset)

    def _whole(self, layer: int) -> Listing:
        with self._tar(layer) as tar:
            return read_listing(tar, self._pairs[layer][1])

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        """The content of a FILE entry of that layer.  The caller closes it."""
        descriptor, diff_id = self._pairs[layer]
        if descriptor.digest == diff_id and isinstance(self._source, _OnDisk):
            with self._source.extent(descriptor) as extent:
                return _part(extent.fd, extent.offset + entry.offset, entry.size)
        tar = self._tars.get(layer)
        if tar is None:
            tar = self._tars[layer] = self._unpacked(layer)
        return _part(tar.fileno(), entry.offset, entry.size)

    def close(self) -> None:
        """Free the disk that opened files took."""
        while self._tars:
            self._tars.popitem()[1].close()

    def _unpacked(self, layer: int) -> BinaryIO:
        import tempfile

        file = tempfile.TemporaryFile()  # noqa: SIM115 - kept for the next file of the layer
        with self._tar(layer) as tar:
            for piece in tar:
                file.write(piece)
        file.flush()
        return file

    @contextmanager
    def _tar(self, layer: int) -> Iterator[Iterable[bytes]]:
        descriptor, diff_id = self._pairs[layer]
        with self._source.blob(descriptor) as body:
            if descriptor.digest == diff_id:  # its own tar: no thread need wait for another
                yield body
                return
            from lamina.layer.compression import decompress

            tar = decompress(
                staged(body),
                mediatype.layer_compression(descriptor.media_type),
                limit=expansion_limit(descriptor),
                what=f"layer {diff_id.short}",
            )
            with reading(staged(tar)) as stream:
                yield stream


def _part(fd: int, offset: int, size: int) -> BinaryIO:
    """A stretch of an open file, with a position of its own."""
    own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    os.lseek(own, offset, os.SEEK_SET)
    return io.BufferedReader(Part(own, size))
