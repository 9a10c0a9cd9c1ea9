"""Removing containers."""

from __future__ import annotations

from lamina.lifecycle.errors import StillRunning
from lamina.lifecycle.finish import Clock
from lamina.lifecycle.stop import await_order, kill_and_wait
from lamina.run.volumes import remove_anonymous
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import LIVELY
from lamina.store.contract import Store
from lamina.store.errors import ContainerNotFound
from lamina.store.tell import tell_container


def remove(
    store: Store,
    record: ContainerRecord,
    now: Clock,
    *,
    force: bool = False,
    volumes: bool = False,
) -> int:
    """Remove a container, killing it first with `force`; returns the bytes of disk freed.

    With `volumes` also those that were made for it without a name.  Raises StillRunning.
    """
    if record.status in LIVELY:
        if not force:
            raise StillRunning(record.name)
        kill_and_wait(store, record, now)
    try:
        if (written := store.containers.written(record.id)).status in LIVELY:
            # It has ended, and its watcher is about to put in order what only the record names.
            await_order(store, written, now)
        freed = store.containers.remove(record.id)
    except ContainerNotFound:
        if not force:
            raise
        freed = 0  # it was to go at its end anyway
    if volumes:
        remove_anonymous(store.root / "volumes", record)
    tell_container(store, record, "destroy", now())
    return freed
