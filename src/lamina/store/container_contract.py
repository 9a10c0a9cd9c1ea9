"""The contract of the store's containers: what is known of each, and what the store promises.

Apart from the other contracts (store/contract.py), so that who needs containers alone does not
load what images are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from lamina.oci.digest import Digest


class ContainerRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a container: `containers/<id>/record.json`."""

    id: str
    """64 hexadecimal digits."""
    name: str
    image: str
    """As the user named it."""
    image_id: Digest
    layers: tuple[Digest, ...]
    """diff_ids, the lowest first."""
    created: str
    """RFC 3339, UTC, as all times here."""
    command: tuple[str, ...] = ()
    status: str = "created"
    """created, running, paused, restarting, exited; a record that says one of the middle
    three is believed only while its process or its watcher lives (see `watcher`)."""
    pid: int = 0
    pid_started: int = 0
    """Field 22 of /proc/PID/stat: tells a reused pid from ours."""
    watcher: int = 0
    """The process that waits for the container's end, and puts things in order then."""
    watcher_started: int = 0
    watcher_stays: bool = False
    """Whether it is watched by a program that does not end with it."""
    boot: str = ""
    """The machine's boot (random/boot_id) in which these pids are meant."""
    started: str = ""
    finished: str = ""
    exit_status: int = 0
    out_of_memory: bool = False
    """Whether the kernel killed one of its processes for want of memory."""
    error: str = ""
    labels: dict[str, str] = {}
    settings: dict[str, Any] = {}
    """What was decided when it was created: `Settings` (run/settings.py) as JSON values."""
    restarts: int = 0
    """How often its restart policy has started it again."""
    stopped: bool = False
    """Whether somebody stopped it: `unless-stopped` does not start it again with the machine."""
    groups: tuple[str, ...] = ()
    """Its control groups, for as long as they may be there."""


class End(msgspec.Struct, frozen=True):
    """How a container ended: `containers/<id>/exit`, written by its watcher at once.

    The record takes it over when things have been put in order.
    """

    status: int
    finished: str
    out_of_memory: bool = False
    restarting: bool = False
    """Whether the watcher is about to start it again."""


class ContainerStore(Protocol):
    """Containers: record, writable layer and log of each."""

    def create(self, record: ContainerRecord) -> Path:
        """Make `containers/<id>/` with `upper/`, `work/`, `merged/` and the record.

        Raises NameTaken when another container has the name.
        """
        ...

    def find(self, text: str) -> ContainerRecord:
        """By name, id or unique prefix of an id.  Raises ContainerNotFound, AmbiguousName."""
        ...

    def update(self, identity: str, **changes: Any) -> ContainerRecord:
        """Change fields of the record, atomically and under its lock.  On disk on return
        is not promised: a record that says running is checked against /proc anyway."""
        ...

    def rename(self, identity: str, name: str) -> ContainerRecord:
        """Give a container another name.  Raises NameTaken when another one has it."""
        ...

    def directory(self, identity: str) -> Path:
        """`containers/<id>`."""
        ...

    def remove(self, identity: str, gone: Callable[[], None] | None = None) -> int:
        """Delete the container; returns the bytes of disk freed.

        Gone at one moment: `gone` is called then, before its files are deleted.
        """
        ...

    def damaged(self) -> list[str]:
        """The ids of containers whose record cannot be read."""
        ...

    def sweep(self) -> int:
        """As `BlobStore.sweep` (store/contract.py)."""
        ...

    def written(self, identity: str) -> ContainerRecord:
        """The record of an id as it was written, whatever has become of its container.

        Raises ContainerNotFound, for a damaged one as well.
        """
        ...

    def records(self) -> Iterator[ContainerRecord]:
        """Every record as it was written, whatever has become of its container; in no order."""
        ...

    def __iter__(self) -> Iterator[ContainerRecord]:
        """Every container's record, the oldest first; a damaged one is skipped and named
        by `verify`."""
        ...
