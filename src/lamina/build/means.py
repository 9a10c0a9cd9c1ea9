"""What RUN is given beside its image: secrets, agents, limits.  None of it is in a cache key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from lamina.run.spec import Limit


class Means(msgspec.Struct, frozen=True):
    """What one build's commands may use."""

    secrets: Mapping[str, bytes] = {}
    """Contents by id.  They are in memory here, and in a tmpfs of the step's; nowhere else."""
    agents: Mapping[str, Path] = {}
    """Sockets of ssh agents by id."""
    shm_size: int = 0
    """Bytes of /dev/shm; 0 for the usual 64 MiB."""
    limits: tuple[Limit, ...] = ()
    """Resource limits of every command (`--ulimit`)."""
    memory: int = 0
    """Bytes that a step may use; 0 for no limit."""
    chroot: bool = False
    """Whether commands run in a chroot also where they could have namespaces."""

    def __repr__(self) -> str:
        return f"Means(secrets={sorted(self.secrets)}, agents={sorted(self.agents)})"
