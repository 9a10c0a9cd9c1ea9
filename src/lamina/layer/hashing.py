"""sha256 of a stream on a thread of its own, beside whoever makes the stream."""

from __future__ import annotations

import hashlib

from lamina.layer.background import Background


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

    def digest(self) -> bytes:
        """The 32 bytes; after the `with` block."""
        return self._hash.digest()
