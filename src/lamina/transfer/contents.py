"""An image read where it lies, layer by layer; nothing of it goes into a store."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from lamina.layer.compression import decompress
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry
from lamina.layer.pipeline import reading, staged
from lamina.layer.reading import read_listing
from lamina.oci import mediatype
from lamina.registry.contract import Source
from lamina.store.part import Part
from lamina.transfer.receive import Documents, expansion_limit


class SourceContents:
    """The layers of one image of a source: their listings, and the files in them.

    A layer is read once for its listing.  When a file of it is first opened the layer is
    read again, into a file without a name: a tar in a stream has no other way to reach a
    file in it.  `close` lets go of these.
    """

    def __init__(self, source: Source, documents: Documents) -> None:
        self._source = source
        self._pairs = documents.pairs
        self._tars: dict[int, BinaryIO] = {}

    def listing(self, layer: int) -> Listing:
        """Every entry of a layer, 0 is the lowest.

        Raises DiffIdMismatch, BadLayer, BadCompression, and what the source raises.
        """
        _, diff_id = self._pairs[layer]
        with self._tar(layer) as tar:
            return read_listing(tar, diff_id)

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        """The content of a FILE entry of that layer.  The caller closes it."""
        tar = self._tars.get(layer)
        if tar is None:
            tar = self._tars[layer] = self._unpacked(layer)
        fd = os.open(f"/proc/self/fd/{tar.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        os.lseek(fd, entry.offset, os.SEEK_SET)
        return io.BufferedReader(Part(fd, entry.size))

    def close(self) -> None:
        """Free the disk that opened files took."""
        while self._tars:
            self._tars.popitem()[1].close()

    def _unpacked(self, layer: int) -> BinaryIO:
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
            tar = decompress(
                staged(body),
                mediatype.layer_compression(descriptor.media_type),
                limit=expansion_limit(descriptor),
                what=f"layer {diff_id.short}",
            )
            with reading(staged(tar)) as stream:
                yield stream
