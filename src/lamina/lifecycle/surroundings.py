"""What a container finds around it when it starts: layers, network, namespaces, control groups."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import msgspec

from lamina.errors import Conflict
from lamina.lifecycle.errors import NotRunning
from lamina.lifecycle.group import group_for
from lamina.run.lowers import lowers
from lamina.run.settings import Settings
from lamina.run.spec import Namespaces
from lamina.run.specification import Surroundings
from lamina.store.contract import ContainerRecord, Store

_OTHER = "container:"


class Made(msgspec.Struct, frozen=True):
    """What was made for a start."""

    around: Surroundings
    lease: int
    """The descriptor of the lease on its layers."""
    groups: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    names: object = None
    """What the supervisor needs to answer for names (supervise/names.py)."""


def surroundings(
    store: Store, record: ContainerRecord, settings: Settings, stack: ExitStack
) -> Made:
    """Make what the container needs; `stack` takes it away again if the start fails.

    Raises what its parts raise: NotRunning for a namespace of a container that does not run.
    """
    lease = stack.enter_context(store.leases.hold())
    lease.protect(record.image_id, *record.layers)
    below = stack.enter_context(lowers(store.layers, record.layers))
    group, warnings = group_for(record, settings)
    stack.callback(group.remove)
    mode = settings.network.mode
    network = mode if mode in {"host", "none"} else "host"
    return Made(
        Surroundings(
            lowers=below,
            network=_joined(store, mode, "net") if mode.startswith(_OTHER) else network,
            namespaces=_namespaces(store, settings.namespaces),
            cgroups=tuple(map(Path, group.paths)),
            cache=store.root / "cache",
        ),
        lease.fileno(),
        group.paths,
        warnings,
    )


def _namespaces(store: Store, wanted: Namespaces) -> Namespaces:
    return Namespaces(
        pid=_joined(store, wanted.pid, "pid"),
        ipc=_joined(store, wanted.ipc, "ipc"),
        uts=_joined(store, wanted.uts, "uts"),
        cgroup=_joined(store, wanted.cgroup, "cgroup"),
        user=_joined(store, wanted.user, "user"),
    )


def _joined(store: Store, text: str, kind: str) -> str:
    """`container:NAME` as the path of that container's namespace."""
    if not text.startswith(_OTHER):
        return text
    other = store.containers.find(text.removeprefix(_OTHER))
    if other.status not in {"running", "paused"}:
        raise NotRunning(other.name)
    path = f"/proc/{other.pid}/ns/{kind}"
    if not os.path.exists(path):
        raise Conflict(f"container {other.name} has just ended", hint=f"lamina start {other.name}")
    return path
