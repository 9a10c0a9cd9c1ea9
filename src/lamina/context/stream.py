"""Streams that are looked at before it is known who reads them."""

from __future__ import annotations

from typing import Protocol


class Stream(Protocol):
    """What can be read: a buffered file, standard input."""

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes, fewer only at the end; all that is left for -1."""
        ...


class Peeked:
    """Implements `Stream`: another, whose beginning is `head`."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream = stream
        self.head = self._left = stream.read(size)

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            taken, self._left = self._left, b""
            return taken + self._stream.read()
        taken, self._left = self._left[:size], self._left[size:]
        return taken + self._stream.read(size - len(taken)) if len(taken) < size else taken
