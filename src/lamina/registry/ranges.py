"""A large blob over several connections at once, where one alone is slow.

It begins as one stream.  When that is found to wait for the network, and its
server knows ranges, what is left is cut into parts, a few of which are on
their way at a time; they are put out in order.  The one stream goes on until
the first of them has come: a server that refuses ranges, or so many
connections, costs nothing but the question.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

import msgspec

from lamina.oci.descriptor import Descriptor
from lamina.registry.download import Download, Opener
from lamina.registry.errors import RegistryError
from lamina.registry.exchange import Exchange


class Spread(msgspec.Struct, frozen=True):
    """When a blob is fetched over several connections at once, and how."""

    connections: int = 6
    part: int = 4 << 20
    """Bytes of one range.  `connections` such are in memory at the most."""
    patience: float = 0.1
    """Seconds that the one stream may wait for the network within `sample`; it is left alone
    where its reader takes as long."""
    sample: int = 8 << 20
    """Bytes."""
    clock: Callable[[], float] = time.perf_counter
    """Seconds."""


class Blob:
    """The bytes of one blob from an offset on, in order, as fast as the registry gives them.

    Everything that Download promises holds.  Holds at most the bytes of
    `spread.connections` parts.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        places: Sequence[Opener],
        exchange: Exchange,
        spread: Spread,
        *,
        name: str,
        offset: int = 0,
    ) -> None:
        self._descriptor = descriptor
        self._exchange = exchange
        self._spread = spread
        self._name = name
        self._parts: _Parts | None = None
        self._stream = self._download(places, offset)

    def start(self) -> None:
        """Open the first place that has the blob.  Raises what the last one raises."""
        self._stream.start()

    def close(self) -> None:
        """End every connection and thread.  A request without an answer yet is waited for."""
        self._stream.close()
        if self._parts is not None:
            self._parts.close()
            self._parts = None

    def pieces(self) -> Iterator[bytes]:
        """The bytes.  Raises WrongBytes, and RegistryError when no place gives the rest."""
        try:
            yield from self._begin()
            if self._parts is not None and self._stream.offset < self._descriptor.size:
                yield from self._go_on(self._parts)
            yield from self._stream.pieces()
        finally:
            self.close()

    def _begin(self) -> Iterator[bytes]:
        """The one stream: to its end, or until the first of the parts has come."""
        stream = self._stream
        meter = _Meter(self._spread)
        asked: Opener | None = None
        for piece in meter.reading(stream.pieces()):
            yield piece
            parts = self._parts
            if parts is None:
                if asked is None and meter.slow() and self._worthwhile():
                    asked = stream.places[0]
                    self._parts = self._cut(asked)
                continue
            # In this order: what ends a part that failed is there after its error.
            answered = parts.answered()
            if parts.failed() or stream.places[0] is not asked:
                parts.close()
                self._parts = None
            elif answered and stream.offset >= parts.start:
                stream.close()
                return

    def _worthwhile(self) -> bool:
        """Whether the server knows ranges, and enough is left for two."""
        left = self._descriptor.size - self._stream.offset
        return left >= 2 * self._spread.part and self._stream.ranges

    def _cut(self, place: Opener) -> _Parts:
        """What the one stream has not given, as parts from `place` alone."""

        def part(start: int, stop: int) -> Download:
            return self._download([place], start, stop)

        return _Parts(part, self._stream.offset, self._descriptor.size, self._spread)

    def _go_on(self, parts: _Parts) -> Iterator[bytes]:
        """What the parts give; when one fails, the rest is left to one stream."""
        stream, offset = self._stream, self._stream.offset
        try:
            for piece in parts.pieces(offset):
                offset += len(piece)
                yield piece
        except RegistryError as error:
            if not error.status:
                stream.leave_place(error)
            parts.close()
        self._stream = self._download(stream.places, offset)

    def _download(self, places: Sequence[Opener], offset: int, stop: int | None = None) -> Download:
        return Download(
            self._descriptor, places, self._exchange, name=self._name, offset=offset, stop=stop
        )


class _Meter:
    """Tells a stream that waits for the network from one whose reader is the slow one."""

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        self._begin()

    def _begin(self) -> None:
        self._begun = self._spread.clock()
        self._waited = 0.0
        self._size = 0

    def reading(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces; notes how long each was waited for."""
        clock = self._spread.clock
        while True:
            before = clock()
            piece = next(pieces, None)
            if piece is None:
                return
            self._waited += clock() - before
            self._size += len(piece)
            yield piece

    def slow(self) -> bool:
        """Whether the network holds up the sample under way."""
        passed = self._spread.clock() - self._begun
        if self._waited >= self._spread.patience and self._waited >= passed / 2:
            return True
        if self._size >= self._spread.sample:
            self._begin()
        return False


class _Part:
    """One range: its bytes as they came, and what went wrong."""

    def __init__(self, download: Download) -> None:
        self.download = download
        self.start = download.offset
        self.pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for piece in self.download.pieces():
                self.pieces.put(piece)
        except BaseException as error:  # noqa: BLE001 - it is raised in the reader's thread
            self.error = error
        finally:
            self.download.close()
            self.pieces.put(None)


class _Parts:
    """The parts of a blob, several on their way at once; all but `run` is the reader's."""

    def __init__(
        self, download: Callable[[int, int], Download], offset: int, size: int, spread: Spread
    ) -> None:
        self._download = download
        self._size = size
        self._spread = spread
        self.start = offset + spread.part
        """Where the first one begins: until there the one stream goes on, which is one of
        the connections."""
        self._next = self.start
        self._due: deque[_Part] = deque()
        self._todo: SimpleQueue[_Part | None] = SimpleQueue()
        for _ in range(spread.connections - 1):
            self._add()
        self._threads = [
            Thread(target=self._work, name="range", daemon=True) for _ in range(spread.connections)
        ]
        for thread in self._threads:
            thread.start()

    def answered(self) -> bool:
        """Whether the first bytes of the first part have come, or its end."""
        return not self._due[0].pieces.empty()

    def failed(self) -> bool:
        """Whether the registry fails to give a part.  Raises what else a part raised."""
        errors = [part.error for part in self._due if part.error is not None]
        for error in errors:
            if not isinstance(error, RegistryError):
                raise error
        return bool(errors)

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from `offset` on.  Raises what a part raised, after those before it."""
        self._add()
        while self._due:
            part = self._due[0]
            at = part.start
            for piece in iter(part.pieces.get, None):
                fresh = piece[max(offset - at, 0) :]
                at += len(piece)
                if fresh:
                    yield fresh
            if part.error is not None:
                raise part.error
            self._due.popleft()
            self._add()

    def close(self) -> None:
        """Break off what is under way, and wait until every thread has ended."""
        for part in self._due:
            part.download.abort()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
        self._due.clear()

    def _add(self) -> None:
        if self._next < self._size:
            stop = min(self._next + self._spread.part, self._size)
            part = _Part(self._download(self._next, stop))
            self._next = stop
            self._due.append(part)
            self._todo.put(part)

    def _work(self) -> None:
        for part in iter(self._todo.get, None):
            part.run()
