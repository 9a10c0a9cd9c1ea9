"""What a container printed, kept as Docker's json-file does: one JSON object a line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

FILE = "log.json"
_LONGEST = 16 << 10
"""A longer line is kept in pieces, as Docker does: memory stays bounded."""


class LogLine(msgspec.Struct, frozen=True):
    """One line, or a piece of a long one; `log` ends with a newline where the line did."""

    log: str
    stream: str
    time: str


class LogWriter:
    """Appends to a container's log; the file appears with the first line."""

    def __init__(self, path: Path, now: Callable[[], str]) -> None:
        self._path = path
        self._now = now
        self._fd = -1
        self._partial: dict[str, bytes] = {}

    def feed(self, stream: str, data: bytes) -> None:
        """Take what was printed on `stream`; nothing is written before its line is whole."""
        text = self._partial.pop(stream, b"") + data
        lines = text.splitlines(keepends=True) if b"\r" not in text else _split(text)
        if lines and not lines[-1].endswith(b"\n") and len(lines[-1]) < _LONGEST:
            self._partial[stream] = lines.pop()
        if lines:
            self._write(stream, lines)

    def close(self) -> None:
        """Write what is left of unfinished lines."""
        for stream, rest in list(self._partial.items()):
            self._write(stream, [rest])
        self._partial.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, stream: str, lines: list[bytes]) -> None:
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)
        time = self._now()
        records = b"".join(
            msgspec.json.encode(LogLine(line.decode("utf-8", "replace"), stream, time)) + b"\n"
            for line in lines
        )
        os.write(self._fd, records)


def _split(text: bytes) -> list[bytes]:
    """At newlines alone: `bytes.splitlines` takes a carriage return for one, too."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def read_log(path: Path) -> Iterator[LogLine]:
    """Every line of a log; one that a crash cut short ends it."""
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed by the generator's end
    except FileNotFoundError:
        return
    with stream:
        yield from follow_lines(stream.readlines())


def follow_lines(raw: list[bytes]) -> Iterator[LogLine]:
    """The lines that `raw` holds; broken ones are skipped."""
    for line in raw:
        try:
            yield msgspec.json.decode(line, type=LogLine)
        except msgspec.MsgspecError:
            continue
