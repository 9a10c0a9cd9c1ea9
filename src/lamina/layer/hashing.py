"""sha256 of a stream on a thread of its own, beside whoever makes the stream."""

from __future__ import annotations

import hashlib
import os
from types import TracebackType
from typing import Protocol

from lamina.layer.background import Background
from lamina.layer.errors import BadLayer

_PIECE = 1 << 18
_TOGETHER = 1 << 19
"""Bytes of files that are handed over at once: small ones would cost more than to hash them."""


class StreamHash(Protocol):
    """The sha256 of a stream, computed beside whoever makes it, in a `with` block."""

    def __enter__(self) -> StreamHash:
        """Begin."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Wait for the end of the work.  Raises what was wrong with it."""
        ...

    def feed(self, piece: bytes) -> None:
        """Hash `piece`, which must not change afterwards."""
        ...

    def feed_file(self, path: bytes, size: int) -> None:
        """Hash the `size` bytes of a file.  The end of the block, at the latest, raises
        BadLayer when it has fewer."""
        ...

    def digest(self) -> bytes:
        """The 32 bytes; after the `with` block."""
        ...


def hash_of_files() -> StreamHash:
    """For a stream of which most is in files: a process, if there may be one beside this."""
    if len(os.sched_getaffinity(0)) < 2 or len(os.listdir("/proc/self/task")) > 1:
        return BackgroundHash()
    from lamina.layer.hash_process import HashProcess

    return HashProcess()


class BackgroundHash:
    """Implements `StreamHash` on a thread; hashlib lets go of the GIL, so both cores work."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._background = Background(self._hash.update, name="sha256")
        self._parts: list[bytes | tuple[bytes, int]] = []
        """Files, and what comes between them, not yet handed over."""
        self._size = 0

    def __enter__(self) -> BackgroundHash:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        try:
            if kind is None:
                self._hand_over()
        finally:
            self._background.__exit__(kind, error, trace)

    def feed(self, piece: bytes) -> None:
        if self._parts:
            self._parts.append(piece)
            self._add(len(piece))
        else:
            self._background.feed(piece)

    def feed_file(self, path: bytes, size: int) -> None:
        self._parts.append((path, size))
        self._add(size)

    def digest(self) -> bytes:
        return self._hash.digest()

    def _add(self, size: int) -> None:
        self._size += size
        if self._size >= _TOGETHER:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            self._background.run(lambda: self._work(parts))

    def _work(self, parts: list[bytes | tuple[bytes, int]]) -> None:
        for part in parts:
            if isinstance(part, bytes):
                self._hash.update(part)
            else:
                self._read(*part)

    def _read(self, path: bytes, size: int) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while size:
                piece = os.read(fd, min(size, _PIECE))
                if not piece:
                    raise BadLayer(f"{os.fsdecode(path)!r} changed while it was read")
                self._hash.update(piece)
                size -= len(piece)
        finally:
            os.close(fd)
