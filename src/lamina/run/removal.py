"""Removing containers."""

from __future__ import annotations

import os
import signal

from lamina.errors import Conflict
from lamina.linux.processes import started
from lamina.run.volumes import remove_anonymous
from lamina.store.contract import ContainerRecord, Store

_PATIENCE_MS = 10_000


class StillRunning(Conflict):
    """A running container is only removed by force."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is running", hint=f"lamina rm -f {name}")


def remove(
    store: Store, record: ContainerRecord, *, force: bool = False, volumes: bool = False
) -> int:
    """Remove a container, killing it first with `force`; returns the bytes of disk freed.

    With `volumes` also those that were made for it without a name.  Raises StillRunning.
    """
    if record.status == "running":
        if not force:
            raise StillRunning(record.name)
        kill_and_wait(record)
    freed = store.containers.remove(record.id)
    if volumes:
        remove_anonymous(store.root / "volumes", record)
    return freed


def kill_and_wait(record: ContainerRecord) -> None:
    """Kill the container's first process, and with it all others; returns when it is gone."""
    import select

    try:
        pidfd = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        # Between reading the record and opening the pid it may have been given to another.
        if started(record.pid) != record.pid_started:
            return
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(_PATIENCE_MS)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)
