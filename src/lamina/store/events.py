"""What happened in the store, one JSON object a line: `events/journal`.

There is no daemon to ask: whoever does something notes it here, and whoever
wants to know reads.  Appending takes a lock for one write(2), so lines are
whole; a full journal becomes `journal.1` and a new one is begun.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from lamina.store.journal import LARGEST, NAME, append_line

_CHUNK = 1 << 20
_INTERVAL = 0.1
"""Seconds between two looks of one who follows."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened to an object of the store."""

    time: str
    """RFC 3339, UTC."""
    kind: str
    """`container`, `image`, `volume`, `network` or `builder`."""
    action: str
    """In Docker's words: `create`, `start`, `die`, `pull`, `exec_start: sh`…"""
    id: str
    """A container's id, an image's name or digest, a volume's name, a network's id."""
    attributes: dict[str, str] = {}


class Journal:
    """The events of one store, the oldest first."""

    def __init__(self, directory: Path, *, largest: int = LARGEST) -> None:
        self._directory = directory
        self._path = directory / NAME
        self._largest = largest

    def append(
        self, kind: str, action: str, identity: str, attributes: Mapping[str, str], now: str
    ) -> None:
        """Note an event; `now` is RFC 3339.

        Never fails: what has happened has happened, also when the disk is full.
        """
        line = msgspec.json.encode(Event(now, kind, action, identity, dict(attributes))) + b"\n"
        append_line(str(self._directory), line, largest=self._largest)

    def read(self) -> Iterator[Event]:
        """All events that are still known, the oldest first."""
        for path in (self._older, self._path):
            try:
                stream = open(path, "rb")  # noqa: SIM115 - closed below, or with the generator
            except OSError:
                continue
            with stream:
                yield from events_of(stream)

    def follow(self, wait: Callable[[float], bool]) -> Iterator[Event]:
        """All events that are known, then those to come, until `wait` (seconds) says False."""
        tail = _Tail(self._path, self._older)
        try:
            yield from tail.begin()
            while wait(_INTERVAL):
                yield from tail.more()
        finally:
            tail.close()

    @property
    def _older(self) -> Path:
        return self._directory / f"{NAME}.1"


class _Tail:
    """The end of a journal, through its change of names."""

    def __init__(self, path: Path, older: Path) -> None:
        self._path = path
        self._older = older
        self._fd = -1
        self._rest = b""

    def begin(self) -> Iterator[Event]:
        try:
            self._fd = os.open(self._older, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            pass
        return self.more()

    def more(self) -> Iterator[Event]:
        yield from self._drain()
        try:
            status = os.stat(self._path)
        except OSError:
            return
        if self._fd >= 0 and os.path.samestat(os.fstat(self._fd), status):
            return
        # Nobody writes any more to what has lost the name, but may have since we looked.
        yield from self._drain()
        self.close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        yield from self._drain()

    def _drain(self) -> Iterator[Event]:
        while self._fd >= 0 and (piece := os.read(self._fd, _CHUNK)):
            lines = (self._rest + piece).split(b"\n")
            self._rest = lines.pop()
            yield from events_of(lines)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._rest = -1, b""


def events_of(lines: Iterator[bytes] | list[bytes]) -> Iterator[Event]:
    """The events that lines of a journal tell; a broken one is skipped."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Event)
        except msgspec.MsgspecError:
            continue
