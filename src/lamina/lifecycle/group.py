"""The control group of a container that starts."""

from __future__ import annotations

from lamina.linux.cgroup_group import PARENT, Group, make_group
from lamina.linux.devices import EVERYTHING, DeviceRule, found, rules_for
from lamina.run.settings import Settings
from lamina.store.container_contract import ContainerRecord


def group_for(record: ContainerRecord, settings: Settings) -> tuple[Group, tuple[str, ...]]:
    """A new group with its limits and its rules for devices, and a warning for each limit
    that cannot be set here.

    Raises what `make_group` raises, NoDevice and BadDevice.
    """
    return make_group(
        record.id, settings.limits, _rules(settings), parent=settings.cgroup_parent or PARENT
    )


def _rules(settings: Settings) -> tuple[DeviceRule, ...]:
    if settings.security.privileged:
        return EVERYTHING
    nodes = [node for device in settings.devices for node in found(device)]
    return rules_for(nodes, settings.device_rules)
