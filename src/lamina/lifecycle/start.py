"""Start a container: fork its watcher, and hear from it how it went."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from lamina.errors import KINDS, Unsupported
from lamina.lifecycle.errors import AlreadyRunning
from lamina.lifecycle.watcher import Report, watch
from lamina.linux.pidfd import ended, opened
from lamina.linux.pidns import fork_quietly
from lamina.run.settings import Settings, settings_of
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import LIVELY
from lamina.store.contract import Store
from lamina.supervise import sockets

_LONGEST = 1 << 20
_PATIENCE = 10
"""Seconds."""
_watchers: list[int] = []
"""Those that are children of this process."""


class Begun(msgspec.Struct, frozen=True):
    """A container that was started."""

    record: ContainerRecord
    """As it was before the start."""
    pid: int = 0
    """Of its first process."""
    connection: int = -1
    """To its watcher, as its first client; -1 when nobody is to be attached."""
    refused: str = ""
    """Why its program could not be executed; `status` is then 126 or 127."""
    status: int = 0
    warnings: tuple[str, ...] = ()


def start(
    store: Store,
    record: ContainerRecord,
    *,
    settings: Settings | None = None,
    attached: bool = False,
    detached: bool = True,
    meanwhile: Callable[[], None] | None = None,
) -> Begun:
    """Start a container, and leave it to a watcher that outlives this process.

    `settings` are those in its record, for who has them as a value.

    `attached` makes a connection that sees all it prints, from its first byte on.
    Without `detached` the watcher is not made small, and is a child of this process: for a
    container whose end is waited for.  `meanwhile` is called while the watcher is at work.
    Returns when its program runs, or was refused by the kernel.

    Raises AlreadyRunning, OlderContainer, and EngineError when no container could be made.
    """
    if record.status in LIVELY:
        raise AlreadyRunning(record.name)
    if settings is None:
        # Here and not in the watcher: reading the first takes 7 ms, those after it none.
        settings = settings_of(record.name, record.settings)
    _await_watcher(record)
    ours, theirs = sockets.pair() if attached else (-1, -1)
    reader, writer = os.pipe()
    try:
        _fork_watcher(store, record, settings, writer, theirs, foreground=not detached)
    finally:
        os.close(writer)
        if attached:
            os.close(theirs)
    try:
        with open(reader, "rb") as stream:
            if meanwhile is not None:
                meanwhile()
            report = _read(stream.read(_LONGEST))
    except BaseException:
        if attached:
            os.close(ours)
        raise
    return Begun(record, report.pid, ours, report.refused, report.status, report.warnings)


def _read(text: bytes) -> Report:
    if not text:
        raise Unsupported("the process that was to watch the container was killed")
    report = msgspec.json.decode(text, type=Report)
    if report.kind:
        raise KINDS.get(report.kind, Unsupported)(report.message, hint=report.hint)
    return report


def _await_watcher(record: ContainerRecord) -> None:
    """The watcher of its last run may still be putting things in order."""
    with opened(record.watcher, record.watcher_started) as watcher:
        if watcher >= 0:
            ended(watcher, _PATIENCE)


def _fork_watcher(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    ready: int,
    client: int,
    *,
    foreground: bool,
) -> None:
    _reap()
    first = fork_quietly()  # the watcher needs none of the locks of other threads
    if first == 0:
        try:
            # A process between us and the watcher of a detached container, so that no
            # long-lived program has to wait for it.
            if foreground or os.fork() == 0:
                watch(store, record, settings, ready, client=client, foreground=foreground)
        finally:
            os._exit(0)
    if foreground:
        _watchers.append(first)
    else:
        os.waitpid(first, 0)


def _reap() -> None:
    """Take note of the watchers of ours that have ended: none is waited for, their last
    moments are nobody's time."""
    for child in list(_watchers):
        try:
            reaped, _ = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            reaped = child  # somebody else has waited for all children
        if reaped:
            _watchers.remove(child)
