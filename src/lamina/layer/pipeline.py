"""Stages of a stream: iterators of byte pieces, laid one on another.

    with reading(staged(decompress(staged(tallied(body, blob)), "gzip", limit=None))) as tar:
        layers.ingest(tar, expected=diff_id)

A stage is a generator.  When it ends, however it ends, it closes the stage
that it reads from, so closing the last one (`reading` does) ends the whole
pipeline and every thread in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

from lamina.oci.digest import Digest

T = TypeVar("T")


@contextmanager
def reading(iterable: Iterable[T]) -> Iterator[Iterator[T]]:
    """`iterable` as an iterator that is closed at the end of the block, if it is a generator."""
    iterator = iter(iterable)
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


class Tally:
    """How many bytes have passed, and what their digest is."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        """Bytes so far."""

    def add(self, piece: bytes) -> None:
        """Count and hash `piece`."""
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> Digest:
        """Of all bytes so far."""
        return Digest.from_raw(self._hash.digest())


def tallied(chunks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    """The same pieces, each added to `tally` before it is passed on."""
    with reading(chunks) as source:
        for piece in source:
            tally.add(piece)
            yield piece


def staged(iterable: Iterable[T], *, depth: int = 8) -> Iterator[T]:
    """The same items, produced on a thread of their own, at most `depth` ahead.

    What the producer raises is raised here, after the items before it.  The
    thread starts with the first item asked for and has ended when this stage
    is exhausted or closed; closing waits for the item the producer is at.
    """
    belt = _Belt(iterable, depth)
    thread = Thread(target=belt.run, name="stage", daemon=True)
    thread.start()
    try:
        for item in iter(belt.ready.get, None):
            belt.room.put(None)
            yield item[0]
    finally:
        belt.stop.set()
        belt.room.put(None)
        thread.join()
    if belt.error is not None:
        try:
            raise belt.error
        finally:
            belt.error = None  # or frame, traceback and error would keep each other alive


class _Belt(Generic[T]):
    """What the two threads of a stage share.

    Two `SimpleQueue`s, items one way and room for them the other way: they
    are C, where `Queue(maxsize)` takes two Python locks an item.
    """

    def __init__(self, iterable: Iterable[T], depth: int) -> None:
        self.iterable = iterable
        self.ready: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self.room: SimpleQueue[None] = SimpleQueue()
        for _ in range(depth):
            self.room.put(None)
        self.stop = Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with reading(self.iterable) as source:
                self.room.get()
                while not self.stop.is_set():
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                    self.ready.put((item,))
                    self.room.get()
        except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
            self.error = error
        finally:
            self.ready.put(None)
