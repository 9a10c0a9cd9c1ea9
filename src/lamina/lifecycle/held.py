"""A container's processes held still while its files are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import EngineError
from lamina.linux.cgroup_group import open_group
from lamina.store.container_contract import ContainerRecord


@contextmanager
def held(record: ContainerRecord) -> Iterator[None]:
    """Hold all processes of a running container for the length of a block.

    Without a control group that can, they go on.  A container that is paused stays so.
    """
    if record.status != "running" or not record.groups:
        yield
        return
    group = open_group(record.groups)
    try:
        group.freeze()
        frozen = True
    except EngineError:
        frozen = False
    try:
        yield
    finally:
        if frozen:
            group.thaw()
