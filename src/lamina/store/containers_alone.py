"""The containers of a store without all the rest, for commands that must begin at once."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from lamina.store.containers import DirContainers
from lamina.store.contract import ContainerStore
from lamina.store.events import Journal
from lamina.store.place import FORMAT


class Containers(Protocol):
    """What a verb needs that looks at containers and changes nothing else: a part of `Store`."""

    @property
    def root(self) -> Path: ...
    @property
    def containers(self) -> ContainerStore: ...
    @property
    def events(self) -> Journal: ...


class _Alone(msgspec.Struct, frozen=True):
    root: Path
    containers: ContainerStore
    events: Journal


def open_containers(root: Path) -> Containers | None:
    """The containers of the store at `root`; None when there is no store of this version, or
    not one that can be read: `open_store` then says what is the matter."""
    try:
        found = (root / "format").read_text()
    except OSError:
        return None
    if found.strip() != str(FORMAT):
        return None
    return _Alone(root, DirContainers(root / "containers"), Journal(root / "events"))
