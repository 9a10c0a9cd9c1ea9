"""Our streams carried to and from a container that runs, until it ends or we go."""

from __future__ import annotations

import os
import select

from lamina.run.carry import write_all
from lamina.run.keys import Typed
from lamina.run.spec import Streams
from lamina.supervise import frames, sockets


class Attachment:
    """A connection to a container's watcher.  `run` gives the container's exit status, None
    when the user detached, and -1 when the watcher went away without a word."""

    def __init__(
        self, connection: int, streams: Streams, *, stdin: bool, keys: bytes = b""
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._typed = Typed(keys)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._stdin = streams.stdin if stdin else -1
        if stdin:
            self._poll.register(streams.stdin, select.POLLIN)
        self._status: int | None = None

    def resize(self, rows: int, columns: int) -> None:
        """Tell the container the size of its terminal."""
        self._send(frames.SIZE + f"{rows} {columns}".encode())

    def run(self) -> int | None:
        """Carry bytes until the container has ended, or the user detached."""
        try:
            while self._status is None and not self._typed.detached:
                for fd, event in self._poll.poll():
                    self._handle(fd, event)
        finally:
            os.close(self._connection)
        return None if self._typed.detached else self._status

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
        data = self._typed.feed(data)
        if data:
            self._send(frames.INPUT + data)
        if self._typed.detached:
            self._send(frames.DETACH)

    def _send(self, message: bytes) -> None:
        try:
            sockets.send(self._connection, message)
        except OSError:
            pass  # it has ended; its last words are still to be read
