"""What `launch` hands to the container's first process."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.run.spec import ContainerSpec, Streams
from lamina.run.steps import Step


class Orders(msgspec.Struct, frozen=True):
    """Everything the first process needs; it looks nothing up outside the container."""

    spec: ContainerSpec
    steps: Sequence[Step]
    capabilities: frozenset[str]
    filter: bytes
    """Seccomp program; empty for none."""
    trampoline: int
    status: int
    """The pipe to report failure on; closed by the kernel when the program runs."""
    streams: Streams
    terminals: int = -1
    """The devpts to attach, a mount of its own."""
    trees: dict[str, int] = {}
    """By target: clones of what is bound with a propagation, which was lost when the
    container's mount namespace was made, and what only root of the host could mount."""
    owners: int = -1
    """The container's user namespace, when files are to be shown with owners of it."""
    shared_memory: int = -1
    """The /dev/shm of another container, a mount of its own."""
    watch: int = -1
    """The fanotify group that hears of files opened in the root file system."""
