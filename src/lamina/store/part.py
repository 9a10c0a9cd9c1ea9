"""A stretch of a file, as a file."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Part(io.RawIOBase):
    """The next `size` bytes of an open file, whose descriptor it owns."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._left = size

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The descriptor; it stands where the next read begins."""
        return self._fd

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)[: self._left]
        read = os.readv(self._fd, [view]) if view else 0
        self._left -= read
        return read

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()
