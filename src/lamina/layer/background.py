"""Pieces of a stream handed to a thread of their own, beside whoever makes the stream."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Semaphore, Thread

_BATCH = 1 << 16
"""Bytes from which a piece is handed over alone: gathering copies it, and a hand-over costs as
much as copying this many."""
_AHEAD = 32


class Background:
    """Calls `work` with the pieces it is fed, in order, on a thread.

    For work that lets go of the GIL: hashing, writing.  Small pieces are gathered
    first; at most 32 wait, and `feed` waits beyond.  Use it in a `with` block: its end
    waits for all work and raises what `work` raised, as `feed` does.
    """

    def __init__(self, work: Callable[[bytes], object], *, name: str) -> None:
        self._do = work
        self._name = name
        self._queue: SimpleQueue[bytes | Callable[[], object] | None] = SimpleQueue()
        self._room = Semaphore(_AHEAD)
        self._small: list[bytes] = []
        self._waiting = 0
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        if kind is None:
            self._raise()

    def feed(self, piece: bytes) -> None:
        """Hand over `piece`, which must not change afterwards."""
        if len(piece) >= _BATCH and not self._small:
            self._send(piece)
            return
        self._small.append(piece)
        self._waiting += len(piece)
        if self._waiting >= _BATCH:
            self._send(self._gathered())

    def run(self, job: Callable[[], object]) -> None:
        """Have `job` called on the thread, after the work on all that was fed before."""
        if self._small:
            self._send(self._gathered())
        self._send(job)

    def _gathered(self) -> bytes:
        whole = b"".join(self._small)
        self._small, self._waiting = [], 0
        return whole

    def _send(self, piece: bytes | Callable[[], object]) -> None:
        self._raise()
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._room.acquire()
        self._queue.put(piece)

    def _flush(self) -> None:
        if not self._small:
            return
        if self._thread is not None:
            self._send(self._gathered())
        else:  # a stream this short needs no thread
            self._do(self._gathered())

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (piece := self._queue.get()) is not None:
            try:
                if self._error is None:
                    self._do(piece) if isinstance(piece, bytes) else piece()
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                self._error = error
            finally:
                self._room.release()
