"""What a container printed, as its watcher keeps it (supervise/log.py): lines of JSON in
`log.json`, older ones in `log.json.1`, `log.json.2`, …"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

FILE = "log.json"
_BLOCK = 256 << 10
_INTERVAL = 0.1
"""Seconds between two looks of one who follows."""


class LogLine(msgspec.Struct, frozen=True):
    """One line, or a piece of a long one; `log` ends with a newline where the line did."""

    log: str
    stream: str
    time: str


_decode = msgspec.json.Decoder(LogLine).decode


class Log:
    """A container's log, its files opened at one moment: rotation does not change it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = _open_all(path)
        """The oldest first."""

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._files:
            os.close(fd)
        self._files.clear()

    def lines(self) -> Iterator[LogLine]:
        """Every line, the oldest first; a broken one is skipped."""
        for fd in self._files:
            yield from _forwards(fd)

    def last(self, count: int, *, since: str = "", until: str = "") -> list[LogLine]:
        """The last `count` lines between two times (`LogLine.time`; empty for no bound), in
        order.  Reads no more of the log than these take."""
        found: list[LogLine] = []
        for fd in reversed(self._files):
            os.lseek(fd, 0, os.SEEK_END)
            for line in _backwards(fd) if count else ():
                if since and line.time < since:
                    return found[::-1]
                if not until or line.time <= until:
                    found.append(line)
                if len(found) == count:
                    return found[::-1]
        return found[::-1]

    def follow(self, wait: Callable[[float], bool]) -> Iterator[LogLine | None]:
        """The lines that come after those of `lines` and `last`, until `wait` (seconds) says
        False; None whenever there is nothing more for now."""
        rest = b""
        while True:
            goes_on = wait(_INTERVAL)  # asked before reading: what it printed last is not missed
            for fd in self._newer():
                while piece := os.read(fd, _BLOCK):
                    lines = (rest + piece).split(b"\n")
                    rest = lines.pop()
                    yield from _decoded(lines)
            yield None
            if not goes_on:
                return

    def _newer(self) -> list[int]:
        """The last file and those that have followed it; the older ones are closed."""
        if self._files and _is(self._path, self._files[-1]):
            return self._files[-1:]
        last = os.fstat(self._files[-1]) if self._files else None
        fresh = []
        for fd in reversed(_open_all(self._path)):
            if last is not None and os.path.samestat(os.fstat(fd), last):
                os.close(fd)
                last = None
                break
            fresh.append(fd)
        for fd in self._files[:-1]:
            os.close(fd)
        kept = self._files[-1:]
        self._files = [*kept, *fresh[::-1]]
        return list(self._files)


def _open_all(path: Path) -> list[int]:
    """The files of a log, the oldest first, none of them twice though they are renamed."""
    found: list[int] = []
    known: set[tuple[int, int]] = set()
    number = 0
    while True:
        name = f"{path}.{number}" if number else path
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            if number:
                return found[::-1]
            number += 1
            continue
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) in known:
            os.close(fd)
        else:
            known.add((status.st_dev, status.st_ino))
            found.append(fd)
        number += 1


def _is(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return True  # in the middle of a rotation


def _forwards(fd: int) -> Iterator[LogLine]:
    """Leaves the file's position where the next line begins."""
    rest, position = b"", 0
    while piece := os.pread(fd, _BLOCK, position):
        position += len(piece)
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        yield from _decoded(lines)
    os.lseek(fd, position - len(rest), os.SEEK_SET)


def _backwards(fd: int) -> Iterator[LogLine]:
    """The last line first; leaves the file's position where the next line begins."""
    end = os.fstat(fd).st_size
    position, rest, first = end, b"", True
    while position:
        size = min(_BLOCK, position)
        position -= size
        lines = (os.pread(fd, size, position) + rest).split(b"\n")
        rest = lines.pop(0) if position else b""
        if first:
            # What follows the last newline is half a line, which a follower reads later.
            os.lseek(fd, end - len(lines.pop() if lines else rest), os.SEEK_SET)
            first = False
        yield from _decoded(lines[::-1])


def _decoded(lines: Iterable[bytes]) -> Iterator[LogLine]:
    for line in lines:
        try:
            yield _decode(line)
        except msgspec.MsgspecError:
            continue
