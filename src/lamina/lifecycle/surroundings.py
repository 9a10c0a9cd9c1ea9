"""What a container finds around it when it starts: layers, network, namespaces, control groups."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.errors import Conflict
from lamina.lifecycle.errors import NotRunning
from lamina.lifecycle.group import group_for
from lamina.run.lowers import lowers
from lamina.run.settings import Settings
from lamina.run.spec import Namespaces
from lamina.run.specification import Surroundings
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.supervise.log import timestamp

if TYPE_CHECKING:
    from lamina.network.sandbox import Sandbox

_OTHER = "container:"


class Made(msgspec.Struct, frozen=True):
    """What was made for a start."""

    around: Surroundings
    lease: int
    """The descriptor of the lease on its layers."""
    groups: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sandbox: Sandbox | None = None
    """Its network, when that is one of ours."""
    user: int = -1
    """The descriptor of its user namespace, when it has not ours."""


def surroundings(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    held: ExitStack,
    stack: ExitStack,
) -> Made:
    """Make what the container needs.

    `held` has what its watcher holds as long as it runs; `stack` takes the rest away again if
    the start fails.

    Raises what its parts raise: NotRunning for a namespace of a container that does not run.
    """
    lease = held.enter_context(store.leases.hold())
    lease.protect(record.image_id, *record.layers)
    below = held.enter_context(lowers(store.layers, record.layers))
    group, warnings = group_for(record, settings)
    stack.callback(group.remove)
    namespaces = joined_namespaces(store, settings.namespaces)
    user, ids = -1, None
    if settings.namespaces.user != "host":
        from lamina.lifecycle.user_namespace import opened

        if (found := opened(settings, namespaces.user)) is not None:
            user, ids = found.descriptor, found.ids
            stack.callback(os.close, user)
        where = "host" if found is None else found.path
        namespaces = msgspec.structs.replace(namespaces, user=where)
    sandbox = _sandbox(store, record, settings, stack, user)
    return Made(
        Surroundings(
            lowers=below,
            network=_network(store, settings, sandbox),
            hosts=_hosts(sandbox),
            resolv_conf=_resolv_conf(settings, sandbox),
            namespaces=namespaces,
            ids=ids,
            volumes=store.root / "volumes",
            cgroups=tuple(map(Path, group.paths)),
            cache=store.root / "cache",
        ),
        lease.fileno(),
        group.paths,
        warnings,
        sandbox,
        user,
    )


def _sandbox(
    store: Store, record: ContainerRecord, settings: Settings, stack: ExitStack, owner: int
) -> Sandbox | None:
    if not settings.network.attachments:
        return None
    from lamina.network.sandbox import close_sandbox, open_sandbox

    sandbox = open_sandbox(
        store.root,
        settings.network,
        container=record.id,
        name=record.name,
        hostname=settings.hostname,
        exposed=settings.exposed,
        now=timestamp(),
        owner=owner,
    )
    stack.callback(close_sandbox, store.root, record.id)
    stack.callback(sandbox.close)
    return sandbox


def _resolv_conf(settings: Settings, sandbox: Sandbox | None) -> str | None:
    if sandbox is not None:
        return sandbox.resolv_conf
    if settings.network.mode != "none":
        return None
    from lamina.network.resolv_conf import alone

    return alone(settings.network)


def _network(store: Store, settings: Settings, sandbox: Sandbox | None) -> str:
    if sandbox is not None:
        # By our own number: a runtime that we start reads it as well.
        return f"/proc/{os.getpid()}/fd/{sandbox.namespace}"
    return joined(store, settings.network.mode, "net")


def _hosts(sandbox: Sandbox | None) -> tuple[str, ...]:
    """The lines `ADDRESS NAMES` of a sandbox as `name=address`."""
    lines = [line.split() for line in sandbox.hosts] if sandbox is not None else []
    return tuple(f"{name}={line[0]}" for line in lines for name in line[1:])


def joined_namespaces(store: Store, wanted: Namespaces) -> Namespaces:
    """`container:NAME` as paths.  Raises NotRunning, Conflict."""
    return Namespaces(
        pid=joined(store, wanted.pid, "pid"),
        ipc=joined(store, wanted.ipc, "ipc"),
        uts=joined(store, wanted.uts, "uts"),
        cgroup=joined(store, wanted.cgroup, "cgroup"),
        user=joined(store, wanted.user, "user"),
    )


def joined(store: Store, text: str, kind: str) -> str:
    """`container:NAME` as the path of that container's namespace of a `kind` (`net`).

    Raises NotRunning, Conflict.
    """
    if not text.startswith(_OTHER):
        return text
    other = store.containers.find(text.removeprefix(_OTHER))
    if other.status not in {"running", "paused"}:
        raise NotRunning(other.name)
    path = f"/proc/{other.pid}/ns/{kind}"
    if not os.path.exists(path):
        raise Conflict(f"container {other.name} has just ended", hint=f"lamina start {other.name}")
    return path
