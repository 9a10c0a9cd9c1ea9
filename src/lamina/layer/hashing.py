"""sha256 of a stream on a thread of its own, beside whoever makes the stream."""

from __future__ import annotations

import hashlib
import os

from lamina.layer.background import Background
from lamina.layer.errors import BadLayer

_PIECE = 1 << 18


class BackgroundHash:
    """Hashes what it is fed, in order; hashlib lets go of the GIL, so both cores work.

    Use it in a `with` block, which ends the thread; `digest` may be asked after it.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._background = Background(self._hash.update, name="sha256")

    def __enter__(self) -> BackgroundHash:
        return self

    def __exit__(self, *raised: object) -> None:
        self._background.__exit__(*raised)

    def feed(self, piece: bytes) -> None:
        """Hash `piece`, which must not change afterwards."""
        self._background.feed(piece)

    def feed_file(self, path: bytes, size: int) -> None:
        """Hash the `size` bytes of a file, read on the thread.  The end of the block, at the
        latest, raises BadLayer when it has fewer."""
        self._background.run(lambda: self._read(path, size))

    def digest(self) -> bytes:
        """The 32 bytes; after the `with` block."""
        return self._hash.digest()

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
