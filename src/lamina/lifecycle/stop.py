"""The end of a container that somebody asks for: stop, kill, wait, restart."""

from __future__ import annotations

import signal
import time

import msgspec

from lamina.errors import Invalid
from lamina.lifecycle.errors import NotRunning
from lamina.lifecycle.finish import Clock, finish_lost
from lamina.lifecycle.pause import let_go
from lamina.linux.cgroup_group import NoFreezer, open_group
from lamina.linux.pidfd import ended, opened, send
from lamina.run.settings import settings_of
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import LIVELY, LOST
from lamina.store.contract import Store
from lamina.store.errors import ContainerNotFound
from lamina.store.tell import tell_container
from lamina.supervise.frames import STOPPING

STOP_TIMEOUT = 10
"""Seconds, as Docker waits."""
_MOMENT = 0.01


class BadSignal(Invalid):
    """No signal goes by the name."""


def signal_number(text: str) -> int:
    """`TERM`, `SIGTERM`, `15`, `RTMIN+3`.  Raises BadSignal."""
    name, plus, offset = text.upper().removeprefix("SIG").partition("+")
    try:
        if name.isdigit() and not plus:
            number = int(name)
        else:
            number = int(signal.Signals[f"SIG{name}"]) + int(offset or 0)
    except (KeyError, ValueError):
        number = 0
    if not 0 < number <= int(signal.SIGRTMAX):
        raise BadSignal(f"invalid signal: {text}", hint="signal(7) lists them: TERM, HUP, 9")
    return number


def kill(store: Store, record: ContainerRecord, number: int, now: Clock) -> None:
    """Send its first process a signal.  Raises NotRunning.

    One that ends it also keeps its restart policy from starting it again, as in Docker.  A
    container that is paused goes on to take it, unless it has a stop signal that is another.
    """
    if record.status not in {"running", "paused"}:
        raise NotRunning(record.name)
    if number in {signal.SIGKILL, _stop_signal(record)}:
        _mark(store, record)
    with opened(record.pid, record.pid_started) as pidfd:
        if pidfd < 0:
            raise NotRunning(record.name)
        signal.pidfd_send_signal(pidfd, number)
    if _takes(record, number):
        _let_go(store, record, now)
    tell_container(store, record, "kill", now(), signal=str(number))


def stop(
    store: Store,
    record: ContainerRecord,
    now: Clock,
    *,
    timeout: int | None = None,
    number: int | None = None,
) -> None:
    """Ask a container to end, and kill it when it has not after `timeout` seconds (-1: never).

    Returns when it has been put in order.  One that does not run is left as it is.
    """
    if record.status not in LIVELY:
        return
    _mark(store, record)
    patience = timeout if timeout is not None else _stop_timeout(record)
    first = number or _stop_signal(record)
    while record.status in LIVELY:
        _stop_once(store, record, first, patience, now)
        record = _later(store, record)
    await_order(store, record, now)
    tell_container(store, record, "stop", now())


def _stop_once(
    store: Store, record: ContainerRecord, number: int, patience: float, now: Clock
) -> None:
    with opened(record.pid, record.pid_started) as pidfd:
        if pidfd < 0:
            time.sleep(_MOMENT)  # between two runs, or about to be put in order
            return
        send(pidfd, number)
        _let_go(store, record, now)
        if not ended(pidfd, patience):
            send(pidfd, signal.SIGKILL)
            ended(pidfd)


def _let_go(store: Store, record: ContainerRecord, now: Clock) -> None:
    """Let a container that is held go on, so that it can end."""
    try:
        if record.status == "paused" or open_group(record.groups).frozen():
            let_go(store, record, now())
    except (NoFreezer, ContainerNotFound, OSError):
        pass  # it has just ended, and its group with it


def _takes(record: ContainerRecord, number: int) -> bool:
    """Whether a signal is one that a paused container is to go on for."""
    wanted = settings_of(record.name, record.settings).stop_signal
    return not wanted or number in {signal.SIGKILL, signal_number(wanted)}


def _later(store: Store, record: ContainerRecord) -> ContainerRecord:
    """The record as it is by now; one that was removed has ended."""
    try:
        return store.containers.find(record.id)
    except ContainerNotFound:
        return msgspec.structs.replace(record, status="exited")


def kill_and_wait(store: Store, record: ContainerRecord, now: Clock) -> None:
    """Kill a container; returns when it is gone and everything has been put in order."""
    _mark(store, record)
    while record.status in LIVELY:
        _stop_once(store, record, signal.SIGKILL, -1, now)
        record = _later(store, record)
    await_order(store, record, now)


def wait(store: Store, record: ContainerRecord) -> int:
    """The exit status of a container when it has ended, now or later, and its log is whole."""
    with opened(record.pid, record.pid_started) as pidfd:
        if pidfd >= 0:
            ended(pidfd)
    while True:
        try:
            found = store.containers.find(record.id)
        except ContainerNotFound:
            return LOST  # `--rm`, and nobody noted how it ended in time
        if found.status not in {"running", "paused"} or found.pid != record.pid:
            if found.status == "exited":
                _await_watcher(store, found)  # it still reads what was printed last
            return found.exit_status
        time.sleep(_MOMENT)


def await_order(store: Store, record: ContainerRecord, now: Clock) -> None:
    """Wait for the watcher of a container that has ended to put it in order; do it for one
    that was killed."""
    _await_watcher(store, record)
    finish_lost(store, record.id, now)


def _await_watcher(store: Store, record: ContainerRecord) -> None:
    with opened(record.watcher, record.watcher_started) as watcher:
        if watcher >= 0 and record.watcher_stays:
            while _is_there(store, record) and not ended(watcher, _MOMENT):
                pass
        elif watcher >= 0:
            ended(watcher)


def _is_there(store: Store, record: ContainerRecord) -> bool:
    try:
        store.containers.directory(record.id)
    except ContainerNotFound:
        return False
    return True


def _mark(store: Store, record: ContainerRecord) -> None:
    """Note, before anything else, that its end is wanted."""
    place = store.containers.directory(record.id)
    (place / STOPPING).touch()
    store.containers.update(record.id, stopped=True)


def _stop_signal(record: ContainerRecord) -> int:
    settings = settings_of(record.name, record.settings)
    return signal_number(settings.stop_signal or "TERM")


def _stop_timeout(record: ContainerRecord) -> int:
    timeout = settings_of(record.name, record.settings).stop_timeout
    return STOP_TIMEOUT if timeout is None else timeout
