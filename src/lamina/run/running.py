"""A process that was started in a container, and how its start went."""

from __future__ import annotations

import errno
import os
import sys

from lamina.errors import KINDS, Unsupported
from lamina.run.process import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_MISSING = {errno.ENOENT, errno.ENOTDIR}
_ERROR_NUMBER = 8
"""Bytes."""
_KILL = 9


class Running:
    """A child of ours in a container.  Somebody must `wait` for it, or `kill` it."""

    def __init__(self, pid: int, terminal: int = -1) -> None:
        self.pid = pid
        self.terminal = terminal
        """Our end of its terminal; whoever uses it closes it."""
        self.refused = ""
        """Why the program could not be executed; the exit status is then 126 or 127."""
        self._status: int | None = None

    def wait(self) -> int:
        """The exit status, 128 + n when signal n ended it."""
        if self._status is None:
            _, raw = os.waitpid(self.pid, 0)
            self._take(raw)
        return self._status or 0

    def poll(self) -> int | None:
        """The exit status if it has ended."""
        if self._status is None:
            pid, raw = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._take(raw)
        return self._status

    def note(self, status: int) -> None:
        """Somebody else has waited for it: its pid is nobody's now, or another's."""
        self._status = status

    def _take(self, raw: int) -> None:
        code = os.waitstatus_to_exitcode(raw)
        self._status = code if code >= 0 else 128 - code

    def kill(self, number: int = _KILL) -> None:
        """Send a signal, if it is still there: all of a container ends with its first
        process."""
        if self._status is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def refuse(self, status: int, message: str) -> None:
        """Wait for a process that could not execute its program, and take this for its end."""
        self.wait()
        self._status = status
        self.refused = message


class Refusal(Value):
    """Why a program could not be executed, and Docker's exit status for that."""

    __slots__ = ("message", "status")

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message


def refusal(reader: int, program: str) -> Refusal | None:
    """Wait until the process has executed `program`, or reported on the status pipe, of which
    `reader` is the other end, why not.  Raises EngineError when it could not begin."""
    report = b""
    while piece := os.read(reader, 65536):
        report += piece
    if not report:
        return None
    if len(report) == _ERROR_NUMBER:
        code = -int.from_bytes(report, sys.byteorder, signed=True)
        status = NOT_FOUND if code in _MISSING else NOT_EXECUTABLE
        return Refusal(status, f"exec: {program}: {os.strerror(code)}")
    text, kind, message, hint = report.decode("utf-8", "surrogateescape").split("\0")
    if kind == "exec":
        return Refusal(int(text), message)
    raise KINDS.get(kind, Unsupported)(message, hint=hint)


def started(
    running: Running, reader: int, program: str, meanwhile: Callable[[], None] | None = None
) -> Running:
    """`running` once `program` runs, or was refused; raises as `refusal`, and what `meanwhile`
    raises, when the process has ended.  `reader` is closed."""
    try:
        if meanwhile is not None:
            meanwhile()
        refused = refusal(reader, program)
        if refused is not None:
            running.refuse(refused.status, refused.message)
    except BaseException:
        running.kill()
        running.wait()
        raise
    finally:
        os.close(reader)
    return running


def begin(fork: Callable[[int], int], program: str, make: Callable[[int], Running]) -> Running:
    """A process that `fork` starts, once its `program` runs or was refused.

    `fork` is given the status pipe's end for the process, and returns its pid; `make` is the
    class of what is returned.  Raises as `refusal`; nothing of it is left then.
    """
    reader, writer = os.pipe()
    try:
        pid = fork(writer)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return started(make(pid), reader, program)
