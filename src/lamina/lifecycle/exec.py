"""Execute another program in a container that runs."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from lamina.errors import Conflict
from lamina.lifecycle import exec_end
from lamina.lifecycle.doorway import keep_doorway
from lamina.lifecycle.errors import IsPaused, NotRunning
from lamina.run import executing
from lamina.run.entering import Door, door
from lamina.run.executing import Outcome, Way
from lamina.run.executing_terminal import execute_in_terminal
from lamina.run.keys import DETACH_KEYS
from lamina.run.process import Role, Streams
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers_alone import Containers
from lamina.store.tell import tell_container

Clock = Callable[[], str]


class Restarting(Conflict):
    """The container is between two runs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is restarting", hint=f"lamina logs {name}   (see why)")


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


def execute(
    store: Containers, record: ContainerRecord, request: Request, streams: Streams, now: Clock
) -> Outcome:
    """Execute a program in the container, with our streams carried to it and from it.

    Signals that we get go to it.  With a terminal and its input, the keys that detach leave
    it running.  Raises NotRunning, IsPaused, Restarting, and EngineError when the container
    could not be entered.
    """
    way = Way(terminal=request.terminal, stdin=request.stdin, keys=request.keys)
    with _opened(store, record, request) as (entry, role):
        told = _Told(store, record, request, now)
        if way.terminal:
            return execute_in_terminal(entry, role, way, streams, told)
        return executing.execute(entry, role, way, streams, told)


def execute_detached(
    store: Containers, record: ContainerRecord, request: Request, now: Clock
) -> Outcome:
    """Execute a program that goes on when we have gone, and ends with the container; its parent
    is a small program that tells of its end."""
    command = [sys.executable, "-I", "-S", os.path.abspath(exec_end.__file__)]
    with _opened(store, record, request) as (entry, role):
        told = _Told(store, record, request, now)
        return executing.execute_detached(entry, role, told, command)


def execute_plainly(
    store: Containers, record: ContainerRecord, request: Request, streams: Streams
) -> Outcome:
    """Execute a program on streams that are the container's from then on; for checks of its
    health, of which nobody is told."""
    with _opened(store, record, request) as (entry, role):
        return executing.execute_plainly(entry, role, streams)


class _Told(executing.Told):
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

    def entrust(self, descriptor: int) -> None:
        record = self._record
        about = {**record.labels, "image": record.image, "name": record.name, "execID": self._id}
        events = str(self._store.root / "events")
        task = {"events": events, "id": record.id, "attributes": about}
        os.write(descriptor, marshal.dumps(task))

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
    way = keep_doorway(store, record)
    role = way.role(
        request.args,
        env=request.env,
        cwd=request.cwd,
        user=request.user,
        terminal=request.terminal,
        privileged=request.privileged,
    )
    with door(record.name, record.id, way.pid, way.since, groups=way.groups) as entry:
        yield entry, role
