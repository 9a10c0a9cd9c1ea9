"""Other limits and another restart policy for a container, also while it runs."""

from __future__ import annotations

import msgspec

from lamina.errors import Conflict, EngineError
from lamina.linux.cgroup_group import open_group
from lamina.linux.cgroup_limits import Limits, check
from lamina.run.settings import Restart, settings_of, to_json
from lamina.store.atomic import replace_file
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.store.tell import tell_container
from lamina.supervise.frames import POLICY

_BANDWIDTH = ("cpu_quota", "cpu_period")


class RemovedAtEnd(Conflict):
    """A container that is removed at its end cannot be started again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is removed when it ends: no policy starts it again")


def over(old: Limits, new: Limits) -> Limits:
    """The limits of `new` where it has some, else those of `old`.

    A number of processors takes the place of a quota, and the reverse.
    """
    changes = {
        name: value
        for name, value in msgspec.structs.asdict(new).items()
        if value != getattr(_NOTHING, name)
    }
    if "nano_cpus" in changes:
        changes = {"cpu_quota": 0, "cpu_period": 0, **changes}
    elif changes.keys() & set(_BANDWIDTH):
        changes["nano_cpus"] = 0
    return msgspec.structs.replace(old, **changes)


_NOTHING = Limits()


def update(
    store: Store,
    record: ContainerRecord,
    changes: Limits,
    *,
    cpus: int,
    now: str,
    restart: Restart | None = None,
) -> tuple[str, ...]:
    """Change the limits of a container, in force at once if it runs, and its restart policy.

    `cpus` are the processors of this host.  Returns a warning for each limit that cannot be
    set here.  Raises BadLimits, RemovedAtEnd, and what `Group.update` raises: then the
    container has the limits that it had.
    """
    settings = settings_of(record.name, record.settings)
    if restart is not None and restart.policy != "no" and settings.remove:
        raise RemovedAtEnd(record.name)
    limits = over(settings.limits, changes)
    check(limits, cpus)
    warnings: tuple[str, ...] = ()
    groups = record.groups
    if record.status in ("running", "paused") and changes != _NOTHING:
        warnings, groups = _put_in_force(record, limits, settings.limits)
    settings = msgspec.structs.replace(
        settings, limits=limits, restart=settings.restart if restart is None else restart
    )
    store.containers.update(record.id, settings=to_json(settings), groups=groups)
    if restart is not None:
        _tell_supervisor(store, record, restart)
    tell_container(store, record, "update", now)
    return warnings


def _tell_supervisor(store: Store, record: ContainerRecord, restart: Restart) -> None:
    """It was given the policy when it began, and reads this file at the container's end."""
    text = f"{restart.policy} {restart.retries}"
    replace_file(store.containers.directory(record.id) / POLICY, text.encode(), durable=False)


def _put_in_force(
    record: ContainerRecord, limits: Limits, before: Limits
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The warnings, and the paths of the group."""
    group = open_group(record.groups)
    try:
        return group.update(limits), group.paths
    except EngineError:
        try:
            group.update(before)
        except EngineError:
            pass  # that of all is the one that could not be changed
        raise
