"""The end of a container that somebody asks for: stop, kill, wait, restart."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from lamina.errors import Invalid
from lamina.lifecycle.errors import NotRunning
from lamina.lifecycle.finish import Clock, finish_lost
from lamina.linux.processes import lives
from lamina.run.settings import settings_of
from lamina.store.containers import LIVELY, LOST
from lamina.store.contract import ContainerRecord, Store
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

    One that ends it also keeps its restart policy from starting it again, as in Docker.
    """
    if record.status not in {"running", "paused"}:
        raise NotRunning(record.name)
    if number in {signal.SIGKILL, _stop_signal(record)}:
        _mark(store, record)
    with _process(record) as pidfd:
        if pidfd < 0:
            raise NotRunning(record.name)
        signal.pidfd_send_signal(pidfd, number)
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
        _stop_once(record, first, patience)
        record = _later(store, record)
    await_order(store, record, now)
    tell_container(store, record, "stop", now())


def _stop_once(record: ContainerRecord, number: int, patience: float) -> None:
    with _process(record) as pidfd:
        if pidfd < 0:
            time.sleep(_MOMENT)  # between two runs, or about to be put in order
            return
        _send(pidfd, number)
        if record.status == "paused":
            thaw(record)
        if not _ended(pidfd, patience):
            _send(pidfd, signal.SIGKILL)
            _ended(pidfd, -1)


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
        _stop_once(record, signal.SIGKILL, -1)
        record = _later(store, record)
    await_order(store, record, now)


def wait(store: Store, record: ContainerRecord) -> int:
    """The exit status of a container when it has ended, now or later."""
    with _process(record) as pidfd:
        if pidfd >= 0:
            _ended(pidfd, -1)
    while True:
        try:
            found = store.containers.find(record.id)
        except ContainerNotFound:
            return LOST  # `--rm`, and nobody noted how it ended in time
        if found.status not in {"running", "paused"} or found.pid != record.pid:
            return found.exit_status
        time.sleep(_MOMENT)


def await_order(store: Store, record: ContainerRecord, now: Clock) -> None:
    """Wait for the watcher of a container that has ended to put it in order; do it for one
    that was killed."""
    if lives(record.watcher, record.watcher_started):
        try:
            pidfd = os.pidfd_open(record.watcher)
        except ProcessLookupError:
            pidfd = -1
        if pidfd >= 0:
            try:
                if lives(record.watcher, record.watcher_started):
                    _ended(pidfd, -1)
            finally:
                os.close(pidfd)
    finish_lost(store, record.id, now)


def thaw(record: ContainerRecord) -> None:
    """Let a paused container go on, so that it can end."""
    for group in record.groups:
        for name, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            try:
                fd = os.open(f"{group}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            except OSError:
                continue
            with open(fd, "w") as stream:
                stream.write(text)


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


@contextmanager
def _process(record: ContainerRecord) -> Iterator[int]:
    """A descriptor of the container's first process; -1 when that is gone."""
    try:
        pidfd = os.pidfd_open(record.pid) if record.pid else -1
    except ProcessLookupError:
        pidfd = -1
    # Between reading the record and opening the pid it may have been given to another.
    if pidfd >= 0 and not lives(record.pid, record.pid_started):
        os.close(pidfd)
        pidfd = -1
    try:
        yield pidfd
    finally:
        if pidfd >= 0:
            os.close(pidfd)


def _send(pidfd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass


def _ended(pidfd: int, seconds: float) -> bool:
    """Whether the process ends within so many seconds; -1 waits for ever."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(None if seconds < 0 else seconds * 1000))
