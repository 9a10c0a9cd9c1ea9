"""A program executed in a container that runs, with streams carried to it and from it.

As light to load as `become`: all of what `lamina exec` waits for.
"""

from __future__ import annotations

import os

from lamina.run.carry import Input, carry
from lamina.run.entering import enter, enter_and_leave
from lamina.run.handlers import forwarding
from lamina.run.keys import DETACH_KEYS, Typed
from lamina.run.process import Streams, Value
from lamina.run.running import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.run.entering import Door
    from lamina.run.process import Role
    from lamina.run.running import Running


class Way(Value):
    """How a program is connected with us."""

    __slots__ = ("keys", "stdin", "terminal")

    def __init__(
        self, *, terminal: bool = False, stdin: bool = False, keys: bytes = DETACH_KEYS
    ) -> None:
        self.terminal = terminal
        self.stdin = stdin
        """Whether it gets our input."""
        self.keys = keys
        """By which the user leaves it running, with terminal and input."""


class Outcome(Value):
    """How it went."""

    __slots__ = ("detached", "refused", "status")

    def __init__(self, status: int = 0, refused: str = "", *, detached: bool = False) -> None:
        self.status = status
        """As Docker's: 126 and 127 for what could not be executed, 128 + n for signal n."""
        self.refused = refused
        self.detached = detached


class Told:
    """Who is told of a program's course."""

    def begun(self) -> None:
        """It runs."""

    def ended(self, status: int) -> None:
        """It has ended, and we saw it."""

    def entrust(self, descriptor: int) -> None:
        """It runs, and who reads from the other end of a pipe will see it end: write there what
        is to be told of it then."""


def execute(entry: Door, role: Role, way: Way, streams: Streams, told: Told) -> Outcome:
    """Execute a program, with our streams carried to it and from it.

    Signals that we get go to it.  For one with a terminal see executing_terminal.py.
    Raises EngineError when the container could not be entered.
    """
    outputs, given, carried = _pipes(way, streams)
    try:
        running = enter(entry, role.on(carried))
    finally:
        for fd in (carried.stdin, carried.stdout, carried.stderr):
            os.close(fd)
    return relay(running, outputs, given, told)


def execute_detached(entry: Door, role: Role, told: Told, parent: Sequence[str]) -> Outcome:
    """Execute a program that goes on when we have gone, and ends with the container.

    `parent` is the command line of the program that is to be its parent, with its pid as a
    further argument, and what `told` entrusts to it on descriptor 3.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    reader, writer = os.pipe()
    try:
        refused = enter_and_leave(entry, role.on(Streams(null, null, null)), parent, reader)
        if refused is None:
            told.begun()
            told.entrust(writer)
    finally:
        for fd in (null, reader, writer):
            os.close(fd)
    return refused_outcome(refused)


def execute_plainly(entry: Door, role: Role, streams: Streams) -> Outcome:
    """Execute a program on streams that are the container's from then on."""
    running = enter(entry, role.on(streams))
    return Outcome(running.wait(), running.refused)


def refused_outcome(refusal: Refusal | None) -> Outcome:
    """What it comes to that a program was refused."""
    return Outcome() if refusal is None else Outcome(refusal.status, refusal.message)


def relay(
    running: Running,
    outputs: dict[int, int],
    given: Input | None,
    told: Told,
    *,
    terminal: int = -1,
) -> Outcome:
    """Carry what a program that was started prints and reads, until it has ended."""
    if running.refused:
        return Outcome(running.wait(), running.refused)
    told.begun()
    process = os.pidfd_open(running.pid)
    try:
        with forwarding(running.kill):
            carry(process, outputs, given, terminal=terminal)
    except BaseException:
        running.kill()
        running.wait()
        raise
    finally:
        os.close(process)
    status = running.wait()
    told.ended(status)
    return Outcome(status)


def _pipes(way: Way, streams: Streams) -> tuple[dict[int, int], Input | None, Streams]:
    """What we read and write, and the container's ends of it.

    Never our own descriptors: whoever holds a descriptor of a terminal or a file can open
    it again with other rights.
    """
    out, out_inside = os.pipe()
    error, error_inside = os.pipe()
    given = None
    if way.stdin:
        stdin, target = os.pipe()
        given = Input(streams.stdin, target, typed=Typed(b""), pipe=True)
    else:
        stdin = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    outputs = {out: streams.stdout, error: streams.stderr}
    return outputs, given, Streams(stdin, out_inside, error_inside)
