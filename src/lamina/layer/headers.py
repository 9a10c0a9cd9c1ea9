"""`headers`: every byte of a layer's tar that is not file content, gzip-compressed.

Together with the contents, each of which stands at its `Entry.offset`, the
exact tar stream comes back.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from isal import isal_zlib

_GZIP = 31
_BATCH = 1 << 17


class HeadersWriter:
    """Takes the bytes in order; a context manager that closes the file."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  # closed by __exit__
        self._compressor = isal_zlib.compressobj(2, wbits=_GZIP)
        self._waiting: list[bytes] = []
        self._size = 0

    def __enter__(self) -> HeadersWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._file:
            if kind is None:
                self._flush()
                self._file.write(self._compressor.flush())

    def write(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._file.write(self._compressor.compress(b"".join(self._waiting)))
        self._waiting, self._size = [], 0


class HeadersReader:
    """Gives the bytes back in order; a context manager that closes the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._buffer = b""
        self._at = 0

    def __enter__(self) -> HeadersReader:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._fd = -1
        # zlib's own object checks the trailing crc, and the stream is small.
        self._decompressor = zlib.decompressobj(wbits=_GZIP)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def take(self, count: int) -> Iterator[bytes]:
        """The next `count` bytes.  Raises EOFError or ValueError when they cannot be had."""
        while count:
            if self._at == len(self._buffer):
                self._fill()
            piece = self._buffer[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def _fill(self) -> None:
        self._buffer, self._at = b"", 0
        while not self._buffer:
            if self._fd < 0:
                raise EOFError("the file is missing")
            tail = self._decompressor.unconsumed_tail
            raw = tail or os.read(self._fd, _BATCH)
            if not raw or self._decompressor.eof:
                raise EOFError("they end too early")
            try:
                self._buffer = self._decompressor.decompress(raw, 1 << 20)
            except zlib.error as error:
                raise ValueError(str(error)) from None
