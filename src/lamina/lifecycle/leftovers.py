"""What lies on this host of containers that no store remembers."""

from __future__ import annotations

import msgspec

from lamina.linux import process_table
from lamina.linux.cgroup_group import sweep
from lamina.network.forgotten import remove_forgotten

_YOUNG = 60
"""Seconds for which a new control group may be without processes: its container starts."""


class Leftovers(msgspec.Struct, frozen=True):
    """What was found."""

    networks: tuple[str, ...] = ()
    """The bridges and tables of stores that are gone, which were taken away."""
    running: dict[str, tuple[int, ...]] = {}
    """First processes of containers that still run, by the root of their store, which is gone:
    their network stays until they have ended."""


def remove_leftovers(now: float) -> Leftovers:
    """Take away control groups and networks of containers whose store, or whose record in it,
    is gone.  `now` is in seconds of the epoch.  What is in use stays, whoever's it is.
    """
    found = remove_forgotten()
    sweep(now - _YOUNG)
    return Leftovers(found.removed, {root: _first_processes(root) for root in found.used})


def _first_processes(root: str) -> tuple[int, ...]:
    """Those that the watchers, who hold leases in the store, are parents of."""
    watchers = set(process_table.holding(f"{root}/leases"))
    return tuple(
        each
        for each in process_table.everyone()
        if (found := process_table.read(each)) is not None
        and found.parent in watchers
        and each not in watchers
    )
