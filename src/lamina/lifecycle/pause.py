"""Hold the processes of a container, and let them go on."""

from __future__ import annotations

from lamina.errors import Conflict
from lamina.lifecycle.errors import IsPaused, NotRunning
from lamina.linux.cgroup_group import open_group
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.store.tell import tell_container


class NotPaused(Conflict):
    """The container's processes are not held."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is not paused")


def pause(store: Store, record: ContainerRecord, now: str) -> None:
    """Hold all processes of a running container; returns when they are held.

    Raises NotRunning, IsPaused, NoFreezer, NotFrozen.
    """
    if record.status == "paused":
        raise IsPaused(record.name)
    if record.status != "running":
        raise NotRunning(record.name)
    open_group(record.groups).freeze()
    store.containers.update(record.id, status="paused")
    tell_container(store, record, "pause", now)


def unpause(store: Store, record: ContainerRecord, now: str) -> None:
    """Let them go on.  Raises NotRunning, NotPaused, NoFreezer."""
    if record.status not in ("running", "paused"):
        raise NotRunning(record.name)
    group = open_group(record.groups)
    # Whoever paused it may have been killed before the record said so.
    if record.status != "paused" and not group.frozen():
        raise NotPaused(record.name)
    let_go(store, record, now)


def let_go(store: Store, record: ContainerRecord, now: str) -> None:
    """Let the processes of a container that is held go on.  Raises NoFreezer."""
    # First the record: what goes on may end at once, and its watcher then writes the last word.
    store.containers.update(record.id, status="running")
    open_group(record.groups).thaw()
    tell_container(store, record, "unpause", now)
