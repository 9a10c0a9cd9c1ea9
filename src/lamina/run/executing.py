"""A program executed in a container that runs, with streams carried to it and from it.

As light to load as `become`: all of what `lamina exec` waits for.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, contextmanager

from lamina.errors import EngineError, Unavailable
from lamina.run import terminal as terminals
from lamina.run.carry import Input, carry
from lamina.run.entering import enter, enter_and_leave, open_terminal
from lamina.run.keys import DETACH_KEYS, Typed
from lamina.run.process import Streams, Value
from lamina.run.running import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from lamina.run.entering import Door
    from lamina.run.process import Role
    from lamina.run.running import Running

_PACKET = 4096
_HANGUP = 1.0
"""Seconds that a program has to end after its terminal was taken away."""


class Lost(Unavailable):
    """The process that waited for the program was killed."""

    def __init__(self) -> None:
        super().__init__("the process beside the terminal was killed, and the program with it")


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


def execute(entry: Door, role: Role, way: Way, streams: Streams, told: Told) -> Outcome:
    """Execute a program, with our streams carried to it and from it.

    Signals that we get go to it.  With a terminal and its input, the keys that detach leave
    it running.  Raises EngineError when the container could not be entered.
    """
    if way.terminal and way.stdin:
        return _with_keeper(entry, role, way, streams, told)
    return _beside(entry, role, way, streams, told)


def execute_detached(entry: Door, role: Role, told: Told) -> Outcome:
    """Execute a program that goes on when we have gone, and ends with the container."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        refused = enter_and_leave(entry, role.on(Streams(null, null, null)))
    finally:
        os.close(null)
    if refused is None:
        told.begun()
    return _refused(refused)


def execute_plainly(entry: Door, role: Role, streams: Streams) -> Outcome:
    """Execute a program on streams that are the container's from then on."""
    running = enter(entry, role.on(streams))
    return Outcome(running.wait(), running.refused)


def _refused(refusal: Refusal | None) -> Outcome:
    return Outcome() if refusal is None else Outcome(refusal.status, refusal.message)


# beside us


def _beside(entry: Door, role: Role, way: Way, streams: Streams, told: Told) -> Outcome:
    with ExitStack() as stack:
        ours = theirs = -1
        if way.terminal:
            ours, theirs = open_terminal(entry)
            stack.callback(os.close, ours)
            stack.enter_context(_sized(streams.stdout, ours))
            outputs, given, carried = {ours: streams.stdout}, None, role.streams
        else:
            outputs, given, carried = _pipes(way, streams)
        try:
            running = enter(entry, role.on(carried), terminal=theirs)
        finally:
            for fd in {theirs, carried.stdin, carried.stdout, carried.stderr} - {-1}:
                os.close(fd)
        if running.refused:
            return Outcome(running.wait(), running.refused)
        told.begun()
        _relay(running, outputs, given, ours)
        status = running.wait()
        told.ended(status)
        return Outcome(status)


def _relay(running: Running, outputs: dict[int, int], given: Input | None, terminal: int) -> None:
    process = os.pidfd_open(running.pid)
    try:
        with terminals.forwarding(running.kill):
            carry(process, outputs, given, terminal=terminal)
    except BaseException:
        running.kill()
        running.wait()
        raise
    finally:
        os.close(process)


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


@contextmanager
def _sized(ours: int, theirs: int) -> Iterator[None]:
    """Give the terminal `theirs` the size of `ours`, now and whenever that changes."""
    import termios

    def resize(rows: int, columns: int) -> None:
        termios.tcsetwinsize(theirs, (rows, columns))

    with terminals.following_size(ours, resize):
        yield


# with a terminal, and a process that keeps it when the user leaves


def _with_keeper(entry: Door, role: Role, way: Way, streams: Streams, told: Told) -> Outcome:
    """The program's parent is a process that stays when the user detaches."""
    with ExitStack() as stack:
        ours, theirs = open_terminal(entry)
        stack.callback(os.close, ours)
        # Of packets: what is said twice is heard twice.
        hear, tell = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        stay, staying = os.pipe()
        with terminals.following_size(streams.stdout, _resizer(ours)):
            pass  # the first size is there before the program looks
        keeper = os.fork()
        if keeper == 0:
            os.close(hear)
            os.close(staying)
            _keep(entry, role, ours, theirs, tell, stay)
        for fd in (theirs, tell, stay):
            os.close(fd)
        stack.callback(os.close, hear)
        stack.callback(os.close, staying)
        pid, refused = _first_word(hear)
        if refused is not None:
            os.waitpid(keeper, 0)
            return _refused(refused)
        process = os.pidfd_open(pid)
        stack.callback(os.close, process)
        told.begun()
        stack.enter_context(terminals.following_size(streams.stdout, _resizer(ours)))
        stack.enter_context(terminals.forwarding(lambda number: _send(process, number)))
        stack.enter_context(terminals.raw(streams.stdin))
        given = Input(streams.stdin, ours, typed=Typed(way.keys), pipe=False)
        if not carry(process, {ours: streams.stdout}, given, terminal=ours):
            os.write(staying, b"1")
            return Outcome(detached=True)
        status = int(os.read(hear, 64) or b"-1")
        os.waitpid(keeper, 0)
        if status < 0:
            raise Lost
        told.ended(status)
        return Outcome(status)


def _resizer(terminal: int) -> Callable[[int, int], None]:
    import termios

    return lambda rows, columns: termios.tcsetwinsize(terminal, (rows, columns))


def _send(process: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(process, signal.Signals(number))
    except ProcessLookupError:
        pass


def _first_word(hear: int) -> tuple[int, Refusal | None]:
    """The program's pid, or why there is none.  Raises the error that the keeper met."""
    from lamina.errors import KINDS, Unsupported

    word = os.read(hear, _PACKET)
    if not word:
        raise Lost
    kind, _, rest = word.decode("utf-8", "surrogateescape").partition("\0")
    if kind == "pid":
        return int(rest), None
    message, _, hint = rest.partition("\0")
    if kind.isdigit():
        return 0, Refusal(int(kind), message)
    raise KINDS.get(kind, Unsupported)(message, hint=hint)


def _keep(entry: Door, role: Role, ours: int, theirs: int, tell: int, stay: int) -> NoReturn:
    """The program's parent: tells how it went, and keeps the terminal when the user leaves."""
    try:
        # Keys that raise signals are the program's: none may reach us.
        os.setsid()
        running = enter(entry, role, terminal=theirs)
        os.close(theirs)
        if running.refused:
            _say(tell, str(running.wait()), running.refused)
        else:
            _say(tell, "pid", str(running.pid))
            _say(tell, str(_stay(running, ours, stay)))
    except EngineError as error:
        _say(tell, error.kind, str(error), error.hint)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of its parent
        _say(tell, "unsupported", f"cannot execute in the container: {error!r}", "")
    finally:
        os._exit(0)


def _say(tell: int, *words: str) -> None:
    try:
        os.write(tell, "\0".join(words).encode("utf-8", "surrogateescape")[:_PACKET])
    except OSError:
        pass  # the user has left


def _stay(running: Running, ours: int, stay: int) -> int:
    """Wait for the program; when the user left, take what it prints, or hang up if he was
    cut off."""
    import select

    process = os.pidfd_open(running.pid)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(stay, select.POLLIN)
    for fd, _ in poll.poll():
        if fd == process:
            return running.wait()
    if os.read(stay, 1):
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in range(3):
            os.dup2(null, fd)
        carry(process, {ours: null}, None, terminal=ours)
    else:
        os.close(ours)
        poll.unregister(stay)
        poll.poll(_HANGUP * 1000)
        running.kill()
    return running.wait()
