"""Bytes between our streams and a container's, until both it and its output have ended."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable

import msgspec

_CHUNK = 64 << 10


class Output(msgspec.Struct):
    """Something the container prints: read from `source`, written to `target`."""

    source: int
    target: int
    name: str
    """`stdout` or `stderr`, for the log."""
    close_source: bool = True
    """Whether to close `source` at its end: a pipe; a terminal belongs to its opener."""


class Input(msgspec.Struct):
    """What the container reads: read from `source`, written to `target`."""

    source: int
    target: int
    close_target: bool
    """Whether the end of `source` is the end of the container's input (a pipe, not a terminal)."""
    pending: bytes = b""


def relay(
    pid: int,
    outputs: list[Output],
    given: Input | None,
    record: Callable[[str, bytes], None],
) -> None:
    """Carry bytes until process `pid` has ended and all outputs are at their end.

    `record` gets everything printed.  Descriptors of the container's side are closed
    as they end: a reader of ours that has gone away so becomes a SIGPIPE in there.
    """
    pidfd = os.pidfd_open(pid)
    try:
        _Relay(pidfd, outputs, given, record).run()
    finally:
        os.close(pidfd)


class _Relay:
    def __init__(
        self,
        pidfd: int,
        outputs: list[Output],
        given: Input | None,
        record: Callable[[str, bytes], None],
    ) -> None:
        self._poll = select.poll()
        self._pidfd = pidfd
        self._outputs = {output.source: output for output in outputs}
        self._given = given
        self._record = record
        self._lives = True
        self._poll.register(pidfd, select.POLLIN)
        for source in self._outputs:
            self._poll.register(source, select.POLLIN)
        if given is not None:
            os.set_blocking(given.target, False)
            self._poll.register(given.source, select.POLLIN)

    def run(self) -> None:
        while self._lives or self._outputs:
            for fd, event in self._poll.poll():
                self._handle(fd, event)

    def _handle(self, fd: int, event: int) -> None:
        given = self._given
        if fd == self._pidfd:
            self._lives = False
            self._poll.unregister(fd)
            self._stop_input()
        elif given is not None and fd == given.target and event & select.POLLOUT:
            self._push(given)
        elif fd in self._outputs:
            self._pull(self._outputs[fd])
        elif given is not None and fd == given.source:
            self._take(given)
        elif given is not None and fd == given.target:
            self._stop_input()  # the container closed its end

    def _pull(self, output: Output) -> None:
        try:
            data = os.read(output.source, _CHUNK)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EINTR}:
                return
            data = b""  # EIO: nobody holds the other end of the terminal any more
        if data:
            self._record(output.name, data)
        if not data or not _write_all(output.target, data):
            self._poll.unregister(output.source)
            del self._outputs[output.source]
            if output.close_source:
                os.close(output.source)
            else:
                self._stop_input()

    def _take(self, given: Input) -> None:
        try:
            given.pending = os.read(given.source, _CHUNK)
        except OSError:
            given.pending = b""
        if not given.pending:
            self._stop_input()
            return
        self._push(given)

    def _push(self, given: Input) -> None:
        """Write what is pending; wait for room before reading more."""
        try:
            given.pending = given.pending[os.write(given.target, given.pending) :]
        except BlockingIOError:
            pass
        except OSError:
            self._stop_input()
            return
        shared = given.target in self._outputs
        if given.pending:
            self._poll.register(given.target, select.POLLOUT | (select.POLLIN if shared else 0))
            self._unwatch(given.source)
        else:
            self._poll.register(given.source, select.POLLIN)
            if shared:
                self._poll.register(given.target, select.POLLIN)
            else:
                self._unwatch(given.target)

    def _stop_input(self) -> None:
        given = self._given
        if given is None:
            return
        self._given = None
        self._unwatch(given.source)
        if given.close_target:
            self._unwatch(given.target)
            os.close(given.target)
        elif given.target in self._outputs:
            self._poll.register(given.target, select.POLLIN)

    def _unwatch(self, fd: int) -> None:
        try:
            self._poll.unregister(fd)
        except KeyError:
            pass


def _write_all(fd: int, data: bytes) -> bool:
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
