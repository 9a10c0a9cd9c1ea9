"""Start a container: fork its watcher, or take one forked ahead, and hear how it went."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from lamina.errors import KINDS, Unsupported
from lamina.lifecycle.ahead import Ahead
from lamina.lifecycle.apart import be_apart
from lamina.lifecycle.errors import AlreadyRunning
from lamina.lifecycle.report import Report
from lamina.linux.pidfd import ended, opened
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
    ahead: Ahead | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Begun:
    """Start a container, and leave it to a watcher that outlives this process.

    `settings` are those in its record, for who has them as a value.

    `attached` makes a connection that sees all it prints, from its first byte on.
    Without `detached` the watcher is not made small, and is a child of this process: for a
    container whose end is waited for.  It is the one that was forked `ahead` for just that, if
    there is one.  `meanwhile` is called while the watcher is at work.
    Returns when its program runs, or was refused by the kernel.

    Raises AlreadyRunning, OlderContainer, and EngineError when no container could be made.
    """
    if record.status in LIVELY:
        raise AlreadyRunning(record.name)
    _await_watcher(record)
    if ahead is not None:
        ahead.order(os.path.abspath(store.root), record.id, foreground=not detached)
        reader, ours = ahead.ready, ahead.connection
    else:
        reader, ours = _fork(store, record, settings, attached=attached, detached=detached)
    try:
        with open(reader, "rb") as stream:
            if meanwhile is not None:
                meanwhile()
            report = _read(stream.read(_LONGEST))
    except BaseException:
        if ours >= 0:
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


def _fork(
    store: Store,
    record: ContainerRecord,
    settings: Settings | None,
    *,
    attached: bool,
    detached: bool,
) -> tuple[int, int]:
    """Fork a watcher: where its `Report` is read, and the connection to it or -1."""
    if settings is None:
        # Here and not in the watcher: reading the first takes 7 ms, those after it none.
        settings = settings_of(record.name, record.settings)
    ours, theirs = sockets.pair() if attached else (-1, -1)
    reader, writer = os.pipe()
    try:
        _fork_watcher(store, record, settings, writer, theirs, foreground=not detached)
    finally:
        os.close(writer)
        if attached:
            os.close(theirs)
    return reader, ours


def _fork_watcher(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    ready: int,
    client: int,
    *,
    foreground: bool,
) -> None:
    # Here, so that whoever has one forked ahead need not load it.
    from lamina.lifecycle.watcher import watch
    from lamina.linux import trampoline
    from lamina.linux.pidns import fork_quietly

    kept = {ready, client, trampoline.descriptor()}
    _reap()
    first = fork_quietly()  # the watcher needs none of the locks of other threads
    if first == 0:
        try:
            # A process between us and the watcher of a detached container, so that no
            # long-lived program has to wait for it.
            if foreground or os.fork() == 0:
                be_apart(kept)
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
