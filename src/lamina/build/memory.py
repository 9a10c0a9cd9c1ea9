"""The memory that a command of a build may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import EngineError, Unsupported
from lamina.linux.cgroup import ROOT
from lamina.linux.cgroup_group import PARENT, Group, make_group, sweep
from lamina.linux.cgroup_limits import NO_MEMORY, Limits
from lamina.linux.devices import EVERYTHING


class NoMemoryControl(Unsupported):
    """This host does not let us limit memory."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"memory cannot be limited here: {reason}")


@contextmanager
def limited_memory(
    name: str, size: int, *, before: float, parent: str = PARENT, root: str = ROOT
) -> Iterator[Group]:
    """A new control group of that name which may use `size` bytes, for the length of a block.

    All its processes must have ended by then, or be about to.  Groups without processes that
    were made before that moment (seconds of the epoch) are removed: killed builds left them.
    Raises NoMemoryControl.
    """
    sweep(before, parent, root)
    try:
        # What its devices are is said elsewhere.
        group, warnings = make_group(
            name, Limits(memory=size), EVERYTHING, parent=parent, root=root
        )
    except EngineError as error:
        raise NoMemoryControl(str(error)) from None
    try:
        if not group.paths or NO_MEMORY in warnings:
            raise NoMemoryControl(f"no memory controller in {root} that may be used")
        yield group
    finally:
        group.remove()
