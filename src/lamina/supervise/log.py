"""A container's log as Docker's json-file writes it: one JSON object a line, rotated by size."""

from __future__ import annotations

import os
from _json import encode_basestring as quoted
from time import gmtime, strftime, time_ns

LONGEST = 16 << 10
"""A longer line is kept in pieces, as Docker does: memory stays bounded."""


def timestamp() -> str:
    """Now, RFC 3339 in UTC with nanoseconds."""
    now = time_ns()
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(now // 10**9)) + f".{now % 10**9:09}Z"


class Log:
    """Appends to `path`; with `size` (bytes) a new file is begun when it is full.

    Then `path` becomes `path.1`, that `path.2`, and so on; `count` files are kept.
    """

    def __init__(self, path: str, size: int = 0, count: int = 1) -> None:
        self._path = path
        self._size = size
        self._count = count
        self._fd = -1
        self._written = 0
        self._partial: dict[str, bytes] = {}

    def feed(self, stream: str, data: bytes) -> None:
        """Take what was printed on `stream`; nothing is written before its line is whole."""
        lines = (self._partial.pop(stream, b"") + data).split(b"\n")
        rest = lines.pop()
        whole = [line + b"\n" for line in lines]
        while len(rest) >= LONGEST:
            whole.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        if rest:
            self._partial[stream] = rest
        if whole:
            self._write(stream, whole)

    def close(self) -> None:
        """Write what is left of unfinished lines."""
        for stream, rest in self._partial.items():
            self._write(stream, [rest])
        self._partial.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, stream: str, lines: list[bytes]) -> None:
        end = f',"stream":"{stream}","time":"{timestamp()}"}}\n'
        batch: list[bytes] = []
        room = self._size - self._written if self._size else 0
        for line in lines:
            text = '{"log":' + quoted(line.decode("utf-8", "replace")) + end
            record = text.encode("utf-8", "replace")
            if self._size and room < len(record) < room + self._written + sum(map(len, batch)):
                self._append(batch)
                self._rotate()
                batch, room = [], self._size
            room -= len(record)
            batch.append(record)
        self._append(batch)

    def _append(self, records: list[bytes]) -> None:
        if not records:
            return
        if self._fd < 0:
            self._open()
        try:
            self._written += os.write(self._fd, b"".join(records))
        except OSError:
            pass  # a full disk: the container goes on without a log

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._written = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        os.close(self._fd)
        self._fd = -1
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._count))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if os.path.exists(newer):
                os.rename(newer, older)
        if self._count == 1:
            os.unlink(self._path)
        self._written = 0
