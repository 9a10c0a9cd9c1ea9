"""Every byte of disk under the root, and whose it is.

Counts as `du` does: allocated blocks, directories too, a file with several
names once.  A file that layers share through `objects/` belongs to all of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from lamina.oci.digest import Digest
from lamina.store.atomic import TEMPORARY

_LEFTOVER = (TEMPORARY, ".trash-", ".new-", ".gone-")


class Owner(NamedTuple):
    """What a byte belongs to: a stored thing by its kind and name under the root."""

    kind: Literal["blob", "layer", "step", "container", "leftover", "orphan", "outside"]
    name: str


def blob(digest: Digest) -> Owner:
    """The owner that a blob is."""
    return Owner("blob", digest.hex)


def layer(diff_id: Digest) -> Owner:
    """The owner that a layer is."""
    return Owner("layer", diff_id.hex)


def step(key: Digest) -> Owner:
    """The owner that a build step's result is."""
    return Owner("step", key.hex)


def container(identity: str) -> Owner:
    """The owner that a container is."""
    return Owner("container", identity)


@dataclass(slots=True)
class Inventory:
    """Bytes of disk by the set of their owners; no owner for what the store itself needs."""

    groups: dict[frozenset[Owner], int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All bytes: what `du -sB1` of the root says."""
        return sum(self.groups.values())

    def held_by(self, owners: Container[Owner]) -> int:
        """Bytes that belong to any of these."""
        return sum(n for group, n in self.groups.items() if any(each in owners for each in group))

    def freed_by(self, owners: Container[Owner]) -> int:
        """Bytes that belong to these alone: deleting them all frees exactly this."""
        return sum(
            n for group, n in self.groups.items() if group and all(each in owners for each in group)
        )

    def owners(self) -> set[Owner]:
        """Everything that owns bytes."""
        return {owner for group in self.groups for owner in group}

    def add(self, owners: Iterable[Owner], count: int) -> None:
        """Count bytes to a set of owners."""
        group = frozenset(owners)
        self.groups[group] = self.groups.get(group, 0) + count


@dataclass(slots=True)
class _File:
    """A file of several names, so far as they have been seen."""

    bytes: int
    links: int
    seen: int = 0
    owners: set[Owner] = field(default_factory=set)


def take_inventory(root: Path) -> Inventory:
    """Walk the whole root.  What others delete meanwhile is not counted."""
    walk = _Walk(root)
    walk.directory("", None)
    return walk.finish()


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._bytes: dict[Owner | None, int] = {}
        self._files: dict[tuple[int, int], _File] = {}

    def directory(self, path: str, owner: Owner | None) -> None:
        """Count a directory of the store, and all that is in it."""
        full = os.path.join(self._root, path) if path else self._root
        self._count(owner, os.lstat(full).st_blocks * 512)
        waiting = [(full, path, owner)]
        while waiting:
            full, path, owner = waiting.pop()
            try:
                entries = list(os.scandir(full))
            except FileNotFoundError:
                continue
            for entry in entries:
                inner = f"{path}/{entry.name}" if path else entry.name
                whose = owner or _owner(inner)
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    self._count(whose, status.st_blocks * 512)
                    waiting.append((entry.path, inner, whose))
                elif status.st_nlink == 1:
                    self._count(_lone(inner, whose), status.st_blocks * 512)
                else:
                    self._link(status, whose)

    def finish(self) -> Inventory:
        inventory = Inventory()
        for owner, count in self._bytes.items():
            inventory.add(() if owner is None else (owner,), count)
        for file in self._files.values():
            owners = file.owners or {Owner("orphan", "")}
            if file.seen < file.links:
                owners = owners | {Owner("outside", "")}
            inventory.add(owners, file.bytes)
        return inventory

    def _count(self, owner: Owner | None, count: int) -> None:
        self._bytes[owner] = self._bytes.get(owner, 0) + count

    def _link(self, status: os.stat_result, owner: Owner | None) -> None:
        file = self._files.setdefault(
            (status.st_dev, status.st_ino), _File(status.st_blocks * 512, status.st_nlink)
        )
        file.seen += 1
        if owner is not None:
            file.owners.add(owner)


def _owner(path: str) -> Owner | None:
    """Whose the file or directory at `path` under the root is, with all that is in it."""
    parent, _, name = path.rpartition("/")
    if parent == "builds" or (name.startswith(_LEFTOVER) and parent in _HOLDERS):
        return Owner("leftover", path)
    if parent == "blobs/sha256":
        return Owner("blob", name)
    if parent == "layers":
        return Owner("layer", name)
    if parent == "steps":
        return Owner("step", name.removesuffix(".json"))
    if parent == "containers":
        return Owner("container", name)
    return None


_HOLDERS = {"", "blobs/sha256", "layers", "steps", "containers"}


def _lone(path: str, owner: Owner | None) -> Owner | None:
    return Owner("orphan", "") if path.startswith("objects/") else owner
