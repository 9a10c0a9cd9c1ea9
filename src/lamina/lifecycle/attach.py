"""Our streams carried to and from a container that runs, until it ends or we go."""

from __future__ import annotations

import errno
import os
import select

from lamina.errors import Invalid
from lamina.run.spec import Streams
from lamina.supervise import frames, sockets

DETACH_KEYS = b"\x10\x11"
"""Ctrl-P, Ctrl-Q."""


class BadKeys(Invalid):
    """Not a sequence of keys."""


def detach_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` or `a,ctrl-c` as the bytes that a terminal sends.  Raises BadKeys."""
    keys = bytearray()
    for key in text.split(",") if text else ():
        name = key.removeprefix("ctrl-")
        code = ord(name.upper()) & 0x1F if name != key and len(name) == 1 else -1
        if name != key and len(name) == 1 and (name.isalpha() or name in "@[\\]^_"):
            keys.append(code)
        elif len(key) == 1 and key.isascii():
            keys.append(ord(key))
        else:
            raise BadKeys(
                f"not a key: {key!r}", hint="letters, and ctrl-a to ctrl-z: ctrl-p,ctrl-q"
            )
    return bytes(keys)


class Attachment:
    """A connection to a container's watcher.  `run` gives the container's exit status, None
    when the user detached, and -1 when the watcher went away without a word."""

    def __init__(
        self, connection: int, streams: Streams, *, stdin: bool, keys: bytes = b""
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._keys = keys
        self._typed = b""
        """The beginning of `keys` that was typed and not sent yet."""
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._stdin = streams.stdin if stdin else -1
        if stdin:
            self._poll.register(streams.stdin, select.POLLIN)
        self._detached = False
        self._status: int | None = None

    def resize(self, rows: int, columns: int) -> None:
        """Tell the container the size of its terminal."""
        self._send(frames.SIZE + f"{rows} {columns}".encode())

    def run(self) -> int | None:
        """Carry bytes until the container has ended, or the user detached."""
        try:
            while self._status is None and not self._detached:
                for fd, event in self._poll.poll():
                    self._handle(fd, event)
        finally:
            os.close(self._connection)
        return None if self._detached else self._status

    def _handle(self, fd: int, event: int) -> None:
        if fd == self._connection:
            self._receive()
        else:
            self._read()

    def _receive(self) -> None:
        message = sockets.receive(self._connection)
        kind, data = message[:1], message[1:]
        if not message:
            self._status = -1
        elif kind == frames.EXIT:
            self._status = int(data)
        elif kind == frames.ERROR:
            self._print(self._streams.stderr, kind, data)
        else:
            self._print(self._streams.stdout, kind, data)

    def _print(self, target: int, kind: bytes, data: bytes) -> None:
        if not write_all(target, data):
            # Whoever read it has gone: the container hears of it as it would of a pipe's end.
            self._send(frames.CLOSE + kind)

    def _read(self) -> None:
        try:
            data = os.read(self._stdin, frames.LONGEST)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(self._stdin)
            self._send(frames.INPUT_END)
            return
        if self._keys:
            data = self._without_keys(data)
        if data:
            self._send(frames.INPUT + data)

    def _without_keys(self, data: bytes) -> bytes:
        data = self._typed + data
        before, found, _ = data.partition(self._keys)
        if found:
            self._send(frames.DETACH)
            self._detached = True
            self._typed = b""
            return b""
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if data.endswith(self._keys[:length]):
                self._typed = data[-length:]
                return data[:-length]
        self._typed = b""
        return before

    def _send(self, message: bytes) -> None:
        try:
            sockets.send(self._connection, message)
        except OSError:
            pass  # it has ended; its last words are still to be read


def write_all(fd: int, data: bytes) -> bool:
    """False when nobody reads any more."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            if error.errno in {errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EBADF}:
                return False
            raise
    return True
