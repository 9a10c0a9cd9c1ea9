"""A program executed in a container that runs, with a terminal of the container's."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn

from lamina.errors import KINDS, EngineError, Unavailable, Unsupported
from lamina.run import terminal as terminals
from lamina.run.carry import Input, carry
from lamina.run.entering import Door, enter, open_terminal
from lamina.run.executing import Outcome, Told, Way, refused_outcome, relay
from lamina.run.keys import Typed
from lamina.run.process import Role, Streams
from lamina.run.running import Refusal, Running

_PACKET = 4096
_HANGUP = 1.0
"""Seconds that a program has to end after its terminal was taken away."""


class Lost(Unavailable):
    """The process that waited for the program was killed."""

    def __init__(self) -> None:
        super().__init__("the process beside the terminal was killed, and the program with it")


def execute_in_terminal(entry: Door, role: Role, way: Way, streams: Streams, told: Told) -> Outcome:
    """As `execute` of executing.py, in a terminal; with its input, the keys that detach leave
    the program running."""
    if way.stdin:
        return _with_keeper(entry, role, way, streams, told)
    with ExitStack() as stack:
        ours, theirs = open_terminal(entry)
        stack.callback(os.close, ours)
        stack.enter_context(terminals.following_size(streams.stdout, _resizer(ours)))
        try:
            running = enter(entry, role, terminal=theirs)
        finally:
            os.close(theirs)
        return relay(running, {ours: streams.stdout}, None, told, terminal=ours)


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
            return refused_outcome(refused)
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
