"""Execute another program in a container that runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from lamina.errors import Conflict, EngineError, Unavailable
from lamina.lifecycle.carry import Input, carry
from lamina.lifecycle.errors import IsPaused, NotRunning
from lamina.linux import apparmor, capability, seccomp, trampoline
from lamina.run import terminal as terminals
from lamina.run.become import Role
from lamina.run.entering import Door, door, enter, enter_and_leave, open_terminal
from lamina.run.keys import DETACH_KEYS, Typed
from lamina.run.running import Refusal, Running
from lamina.run.settings import Settings, settings_of
from lamina.run.spec import Process, Streams
from lamina.store.containers_alone import Containers
from lamina.store.contract import ContainerRecord
from lamina.store.tell import tell_container

Clock = Callable[[], str]
_PACKET = 4096
_HANGUP = 1.0
"""Seconds that a program has to end after its terminal was taken away."""


class Restarting(Conflict):
    """The container is between two runs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is restarting", hint=f"lamina logs {name}   (see why)")


class Lost(Unavailable):
    """The process that waited for the program was killed."""

    def __init__(self) -> None:
        super().__init__("the process beside the terminal was killed, and the program with it")


class Request(msgspec.Struct, frozen=True):
    """What to execute, and how it differs from the container's own program."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    """`NAME=value` lines, on top of the container's."""
    cwd: str = ""
    user: str = ""
    terminal: bool = False
    stdin: bool = False
    privileged: bool = False
    keys: bytes = DETACH_KEYS


class Outcome(msgspec.Struct, frozen=True):
    """How it went."""

    status: int = 0
    """As Docker's: 126 and 127 for what could not be executed, 128 + n for signal n."""
    refused: str = ""
    detached: bool = False


def execute(
    store: Containers, record: ContainerRecord, request: Request, streams: Streams, now: Clock
) -> Outcome:
    """Execute a program in the container, with our streams carried to it and from it.

    Signals that we get go to it.  With a terminal and its input, the keys that detach leave
    it running.  Raises NotRunning, IsPaused, Restarting, and EngineError when the container
    could not be entered.
    """
    with _opened(store, record, request) as (entry, role):
        told = _Told(store, record, request, now)
        if request.terminal and request.stdin:
            outcome = _with_keeper(entry, role, request, streams, told)
        else:
            outcome = _beside(entry, role, request, streams, told)
        return outcome


def execute_detached(
    store: Containers, record: ContainerRecord, request: Request, now: Clock
) -> Outcome:
    """Execute a program that goes on when we have gone, and ends with the container."""
    with _opened(store, record, request) as (entry, role), ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        told = _Told(store, record, request, now)
        refused = enter_and_leave(entry, replace(role, streams=Streams(null, null, null)))
        if refused is None:
            told.begun()
        return _refused(refused)


def execute_plainly(
    store: Containers, record: ContainerRecord, request: Request, streams: Streams
) -> Outcome:
    """Execute a program on streams that are the container's from then on; for checks of its
    health, of which nobody is told."""
    with _opened(store, record, request) as (entry, role):
        running = enter(entry, replace(role, streams=streams))
        return Outcome(running.wait(), running.refused)


class _Told:
    """The events of one execution."""

    def __init__(
        self, store: Containers, record: ContainerRecord, request: Request, now: Clock
    ) -> None:
        self._store, self._record, self._now = store, record, now
        self._id = os.urandom(32).hex()
        self._words = " ".join(request.args)
        self._tell(f"exec_create: {self._words}")

    def begun(self) -> None:
        self._tell(f"exec_start: {self._words}")

    def ended(self, status: int) -> None:
        self._tell("exec_die", exitCode=str(status))

    def _tell(self, action: str, **more: str) -> None:
        tell_container(self._store, self._record, action, self._now(), execID=self._id, **more)


@contextmanager
def _opened(
    store: Containers, record: ContainerRecord, request: Request
) -> Iterator[tuple[Door, Role]]:
    """The way into the container, and what the program is to be in there."""
    if record.status == "paused":
        raise IsPaused(record.name)
    if record.status == "restarting":
        raise Restarting(record.name)
    if record.status != "running":
        raise NotRunning(record.name)
    settings = settings_of(record.name, record.settings)
    role = role_of(store, settings, request)
    with door(
        record.name,
        record.id,
        record.pid,
        record.pid_started,
        groups=record.groups,
        oom_score_adj=settings.oom_score_adj,
    ) as entry:
        yield entry, role


def role_of(store: Containers, settings: Settings, request: Request) -> Role:
    """What the program is to be: as the container's own, but for what `request` says."""
    security = settings.security
    if security.privileged:
        granted = capability.ALL
    else:
        granted = capability.granted(security.capabilities_add, security.capabilities_drop)
    program = b""
    if not security.privileged and security.seccomp != "unconfined":
        program = seccomp.filter_for(granted, store.root / "cache", security.seccomp)
    return Role(
        _process(settings.process, request),
        capability.ALL if request.privileged else granted,
        trampoline.descriptor(),
        Streams(-1, -1, -1),
        filter=program,
        no_new_privileges=security.no_new_privileges,
        limits=settings.ulimits,
        apparmor=apparmor.applicable(security.apparmor),
    )


def _process(own: Process, request: Request) -> Process:
    lines = dict.fromkeys(own.env)
    if request.terminal and not any(line.startswith("TERM=") for line in own.env):
        lines["TERM=xterm"] = None
    return replace(
        own,
        args=request.args,
        env=(*lines, *request.env),
        cwd=request.cwd or own.cwd,
        user=request.user or own.user,
        terminal=request.terminal,
        # Further groups were given to the container's own user.
        groups=() if request.user else own.groups,
    )


def _refused(refusal: Refusal | None) -> Outcome:
    return Outcome() if refusal is None else Outcome(refusal.status, refusal.message)


# beside us


def _beside(entry: Door, role: Role, request: Request, streams: Streams, told: _Told) -> Outcome:
    with ExitStack() as stack:
        ours = theirs = -1
        if request.terminal:
            ours, theirs = open_terminal(entry)
            stack.callback(os.close, ours)
            stack.enter_context(_sized(streams.stdout, ours))
            outputs, given, carried = {ours: streams.stdout}, None, role.streams
        else:
            outputs, given, carried = _pipes(request, streams)
        try:
            running = enter(entry, replace(role, streams=carried), terminal=theirs)
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


def _pipes(request: Request, streams: Streams) -> tuple[dict[int, int], Input | None, Streams]:
    """What we read and write, and the container's ends of it.

    Never our own descriptors: whoever holds a descriptor of a terminal or a file can open
    it again with other rights.
    """
    out, out_inside = os.pipe()
    error, error_inside = os.pipe()
    given = None
    if request.stdin:
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


def _with_keeper(
    entry: Door, role: Role, request: Request, streams: Streams, told: _Told
) -> Outcome:
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
        given = Input(streams.stdin, ours, typed=Typed(request.keys), pipe=False)
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
