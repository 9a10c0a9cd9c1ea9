"""The terminal of this command line, given to a container for as long as both last."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lamina.cli.failure import report
from lamina.lifecycle.attach import Attachment
from lamina.run import terminal
from lamina.run.spec import Streams

if TYPE_CHECKING:
    from lamina.lifecycle.start import Begun
    from lamina.store.container_contract import ContainerRecord
    from lamina.store.contract import Store


def tell_start(begun: Begun) -> int | None:
    """Print what is to be said of a start; the exit status of one that was refused."""
    for warning in begun.warnings:
        print(f"lamina: {warning}", file=sys.stderr)
    if not begun.refused:
        return None
    if begun.connection >= 0:
        os.close(begun.connection)
    report(begun.refused, "")
    return begun.status


OURS = Streams(0, 1, 2)


def attach_first(
    store: Store,
    begun: Begun,
    *,
    stdin: bool,
    keys: bytes,
    proxy: bool = True,
    streams: Streams = OURS,
) -> int:
    """Be attached to a container from its start; the exit status of this command."""
    return attach(
        store,
        begun.record,
        begun.pid,
        begun.connection,
        stdin=stdin,
        keys=keys,
        proxy=proxy,
        streams=streams,
    )


def attach(
    store: Store,
    record: ContainerRecord,
    pid: int,
    connection: int,
    *,
    stdin: bool,
    keys: bytes,
    proxy: bool = True,
    streams: Streams = OURS,
) -> int:
    """Carry our streams until the container has ended or the user left; its exit status."""
    # As it lies in the record: to read the whole of the settings takes 7 ms.
    has_terminal = bool(record.settings.get("process", {}).get("terminal"))
    attachment = Attachment(connection, streams, stdin=stdin, keys=keys)
    with ExitStack() as stack:
        if proxy:
            pidfd = _pidfd(pid)
            if pidfd >= 0:
                stack.callback(os.close, pidfd)
                stack.enter_context(terminal.forwarding(lambda number: _send(pidfd, number)))
        if has_terminal:
            stack.enter_context(terminal.following_size(1, attachment.resize))
            if stdin:
                stack.enter_context(terminal.raw(0))
        status = attachment.run()
    if status is None:
        return 0
    return _lost(store, record) if status < 0 else status


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return -1


def _send(pidfd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.Signals(number))
    except (ProcessLookupError, PermissionError):
        pass


def _lost(store: Store, record: ContainerRecord) -> int:
    """The watcher has gone without a word: it was killed, or starts the container again."""
    from lamina.lifecycle.stop import wait
    from lamina.store.errors import ContainerNotFound

    try:
        found = store.containers.find(record.id)
    except ContainerNotFound:
        return 137
    if found.status in {"restarting", "running"}:
        return wait(store, found)
    from lamina.lifecycle.errors import WatcherLost

    report(str(WatcherLost(record.name)), "")
    return found.exit_status
