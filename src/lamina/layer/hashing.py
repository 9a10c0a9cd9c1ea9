"""sha256 of a stream on a thread of its own, beside whoever makes the stream."""

from __future__ import annotations

import hashlib
from queue import SimpleQueue
from threading import Semaphore, Thread

_BATCH = 1 << 18
_AHEAD = 32


class BackgroundHash:
    """Hashes what it is fed, in order; hashlib lets go of the GIL, so both cores work.

    Holds at most 32 pieces: `feed` waits beyond.  Small pieces are gathered first.
    Use it in a `with` block, which ends the thread; `digest` may be asked after it.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = Semaphore(_AHEAD)
        self._small: list[bytes] = []
        self._waiting = 0
        self._thread: Thread | None = None
        self.size = 0
        """Bytes fed so far."""

    def __enter__(self) -> BackgroundHash:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def feed(self, piece: bytes) -> None:
        """Hash `piece`, which must not change afterwards."""
        self.size += len(piece)
        self._small.append(piece)
        self._waiting += len(piece)
        if self._waiting >= _BATCH:
            self._send()

    def _send(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="sha256", daemon=True)
            self._thread.start()
        whole = self._small[0] if len(self._small) == 1 else b"".join(self._small)
        self._small, self._waiting = [], 0
        self._room.acquire()
        self._queue.put(whole)

    def _flush(self) -> None:
        if self._thread is not None and self._small:
            self._send()
        elif self._small:  # a stream this short needs no thread
            self._hash.update(b"".join(self._small))
            self._small, self._waiting = [], 0

    def _work(self) -> None:
        while (piece := self._queue.get()) is not None:
            self._hash.update(piece)
            self._room.release()

    def digest(self) -> bytes:
        """The 32 bytes; after the `with` block."""
        return self._hash.digest()
