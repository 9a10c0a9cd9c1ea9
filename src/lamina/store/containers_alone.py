"""The part of a store that has to do with containers, for verbs that need no other."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from lamina.store.container_contract import ContainerStore
from lamina.store.events import Journal


class Containers(Protocol):
    """What a verb needs that looks at containers and changes nothing else: a part of `Store`."""

    @property
    def root(self) -> Path: ...
    @property
    def containers(self) -> ContainerStore: ...
    @property
    def events(self) -> Journal: ...
