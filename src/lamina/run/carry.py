"""Bytes between our streams and those of a process in a container, until it has ended."""

from __future__ import annotations

import errno
import os
import select

from lamina.run.keys import Typed

_CHUNK = 64 << 10
_DRAIN_MS = 50
"""Silence after which output is over though somebody still holds its other end: what the
process left running in the container cannot keep us."""
_GONE = {errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EBADF}


class Input:
    """What the process reads: from `source` to `target`."""

    def __init__(self, source: int, target: int, *, typed: Typed, pipe: bool) -> None:
        self.source = source
        self.target = target
        self.typed = typed
        self.pipe = pipe
        """Whether the end of `source` is the end of the process's input; else a terminal."""
        self.pending = b""


def carry(
    process: int, outputs: dict[int, int], given: Input | None, *, terminal: int = -1
) -> bool:
    """Carry bytes until the process (a pidfd) has ended and all it printed is passed on.

    `outputs` are what it prints to and where that goes; they are closed here, but for the
    `terminal`, so that a reader of ours that goes away becomes a SIGPIPE in there.  False
    when the user typed the keys that detach: then it still runs.
    """
    return _Carrier(process, outputs, given, terminal).run()


class _Carrier:
    def __init__(
        self, process: int, outputs: dict[int, int], given: Input | None, terminal: int
    ) -> None:
        self._poll = select.poll()
        self._terminal = terminal
        self._process = process
        self._outputs = dict(outputs)
        self._given = given
        self._lives = True
        self._poll.register(process, select.POLLIN)
        for source in outputs:
            self._poll.register(source, select.POLLIN)
        if given is not None:
            os.set_blocking(given.target, False)
            self._poll.register(given.source, select.POLLIN)

    def run(self) -> bool:
        while self._lives or self._outputs:
            events = self._poll.poll(None if self._lives else _DRAIN_MS)
            if not events:
                break
            for fd, event in events:
                self._handle(fd, event)
            if self._given is not None and self._given.typed.detached:
                return False
        for source in list(self._outputs):
            self._over(source)
        return True

    def _handle(self, fd: int, event: int) -> None:
        given = self._given
        if fd == self._process:
            self._lives = False
            self._poll.unregister(fd)
            self._stop_input()
            return
        if given is not None and fd == given.target and (event & select.POLLOUT or given.pipe):
            self._push()
            event &= ~select.POLLOUT
        if fd in self._outputs and event:
            self._pull(fd)
        elif given is not None and given is self._given and fd == given.source:
            self._read(given)

    def _pull(self, source: int) -> None:
        try:
            data = os.read(source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: nobody has the other end of the terminal open any more
        if not data or not write_all(self._outputs[source], data):
            self._over(source)

    def _over(self, source: int) -> None:
        del self._outputs[source]
        self._poll.unregister(source)
        if source != self._terminal:
            os.close(source)

    def _read(self, given: Input) -> None:
        try:
            data = os.read(given.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._stop_input()
            return
        given.pending = given.typed.feed(data)
        if given.pending:
            self._push()

    def _push(self) -> None:
        given = self._given
        assert given is not None
        try:
            given.pending = given.pending[os.write(given.target, given.pending) :]
        except BlockingIOError:
            pass
        except OSError:
            self._stop_input()
            return
        self._wait_for_room(given)

    def _wait_for_room(self, given: Input) -> None:
        """Take no more from the user while the process has not read the last of it."""
        full = bool(given.pending)
        if full:
            self._forget(given.source)
        else:
            self._poll.register(given.source, select.POLLIN)
        if given.target in self._outputs:  # a terminal, which is read from as well
            wanted = select.POLLIN | (select.POLLOUT if full else 0)
            self._poll.register(given.target, wanted)
        elif full:
            self._poll.register(given.target, select.POLLOUT)
        else:
            self._forget(given.target)

    def _stop_input(self) -> None:
        given, self._given = self._given, None
        if given is None:
            return
        self._forget(given.source)
        if given.target not in self._outputs:
            self._forget(given.target)
        if given.pipe:
            os.close(given.target)

    def _forget(self, fd: int) -> None:
        try:
            self._poll.unregister(fd)
        except KeyError:
            pass


def write_all(fd: int, data: bytes) -> bool:
    """False when nobody reads any more."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise
    return True
