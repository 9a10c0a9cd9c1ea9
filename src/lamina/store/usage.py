"""Disk usage, to the byte: every byte in one row, the rows add up to `du`, and what is called
reclaimable is what `prune` then frees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass

from lamina.oci.digest import Digest
from lamina.store import inventory
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import LIVELY
from lamina.store.contract import NamedImage, StepResult, Store
from lamina.store.inventory import Inventory, Owner, take_inventory
from lamina.store.prune import Plan, Scope, foretell, plan
from lamina.store.reach import Needs, container_needs, image_needs, step_needs

EVERYTHING = Scope(images="unused", containers=True, build_cache="all")
"""What `prune --all` may remove."""
_SCOPES = {
    "Images": Scope(images="unused"),
    "Containers": Scope(containers=True),
    "Build Cache": Scope(build_cache="all"),
}


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of `system df`."""

    kind: str
    total: int
    """How many there are."""
    active: int
    """How many of them are in use."""
    size: int
    """Bytes of disk; what several rows share counts in the first of them."""
    reclaimable: int
    """Bytes that pruning this kind alone frees (with `--all`); of "Other": garbage, which
    every prune takes along."""


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """An image's part."""

    rows: tuple[NamedImage, ...]
    size: int
    """Bytes of disk of all that it needs."""
    unique: int
    """Of these, what no other image, container or build step needs."""
    containers: int

    @property
    def shared(self) -> int:
        """What something else needs as well."""
        return self.size - self.unique


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """A container's own part: its writable layer, record and log."""

    record: ContainerRecord
    size: int


@dataclass(frozen=True, slots=True)
class StepUsage:
    """A build step's part."""

    step: StepResult
    size: int
    """Bytes of disk of its layers and its record."""
    in_use: bool
    """Whether every layer of it is in an image or a container."""
    shared: bool
    """Whether some layer of it is needed by something else."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The whole store."""

    rows: tuple[UsageRow, ...]
    total: int
    """Bytes: what `du -sB1` of the root says."""
    reclaimable: int
    """Bytes that `prune --all` frees."""
    images: tuple[ImageUsage, ...]
    containers: tuple[ContainerUsage, ...]
    steps: tuple[StepUsage, ...]


def measure(store: Store) -> Usage:
    """Walk the whole root and say whose every byte is."""
    stock = take_inventory(store.root)
    holders = _Holders(store)
    parts = _parts(stock, holders)
    garbage = foretell(store, stock, Plan())
    # What has no layer is a note that the build keeps beside them.
    results = [each for each in holders.steps if each.layers]
    counts = {
        "Images": (len(holders.images), len(holders.images.keys() & holders.used_images)),
        "Containers": (
            len(holders.containers),
            sum(each.status in LIVELY for each in holders.containers),
        ),
        "Build Cache": (len(results), sum(map(holders.is_in_use, results))),
    }
    rows = [
        UsageRow(
            kind, *counts[kind], parts[kind], foretell(store, stock, plan(store, scope)) - garbage
        )
        for kind, scope in _SCOPES.items()
    ]
    return Usage(
        (*rows, UsageRow("Other", 0, 0, parts["Other"], garbage)),
        stock.total,
        foretell(store, stock, plan(store, EVERYTHING)),
        tuple(_image_usage(stock, holders, each) for each in holders.images),
        tuple(
            ContainerUsage(each, stock.held_by({inventory.container(each.id)}))
            for each in holders.containers
        ),
        tuple(_step_usage(stock, holders, each) for each in holders.steps),
    )


class _Holders:
    """Who needs what, read once."""

    def __init__(self, store: Store) -> None:
        self.images: dict[Digest, list[NamedImage]] = {}
        for row in store.refs.rows():
            self.images.setdefault(row.image_id, []).append(row)
        self.containers = list(store.containers)
        self.steps = list(store.steps)
        attached = store.refs.attached()
        self.used_images = {each.image_id for each in self.containers}
        self.image_owners: dict[Hashable, set[Owner]] = {
            image_id: _owners(image_needs(store.blobs, row, attached) for row in rows)
            for image_id, rows in self.images.items()
        }
        self.container_owners: dict[Hashable, set[Owner]] = {
            each.id: _owners([container_needs(each)]) | {inventory.container(each.id)}
            for each in self.containers
        }
        self.step_owners: dict[Hashable, set[Owner]] = {
            each.key: _owners([step_needs(each)]) | {inventory.step(each.key)}
            for each in self.steps
        }
        every = [self.image_owners, self.container_owners, self.step_owners]
        self._times = Counter(owner for one in every for owners in one.values() for owner in owners)
        self.of_images = _union(self.image_owners.values())
        self.of_containers = _union(self.container_owners.values())
        self.of_steps = _union(self.step_owners.values())

    def is_in_use(self, step: StepResult) -> bool:
        layers = {inventory.layer(each) for each in step.layers}
        return layers <= self.of_images | self.of_containers

    def is_needed_beside(self, owner: Owner, mine: set[Owner]) -> bool:
        """Whether somebody else than the holder of `mine` needs it."""
        return self._times[owner] > (owner in mine)


def _owners(needs: Iterable[Needs]) -> set[Owner]:
    found: set[Owner] = set()
    for each in needs:
        found |= {inventory.blob(digest) for digest in each.blobs}
        found |= {inventory.layer(digest) for digest in each.layers}
    return found


def _union(sets: Iterable[Collection[Owner]]) -> set[Owner]:
    return {owner for each in sets for owner in each}


def _parts(stock: Inventory, holders: _Holders) -> dict[str, int]:
    """Each group of bytes in the first row that any of its owners belongs to."""
    parts = {"Images": 0, "Containers": 0, "Build Cache": 0, "Other": 0}
    for group, count in stock.groups.items():
        if group & holders.of_images:
            parts["Images"] += count
        elif group & holders.of_containers:
            parts["Containers"] += count
        elif group & holders.of_steps:
            parts["Build Cache"] += count
        else:
            parts["Other"] += count
    return parts


def _image_usage(stock: Inventory, holders: _Holders, image_id: Digest) -> ImageUsage:
    mine = holders.image_owners[image_id]
    return ImageUsage(
        tuple(holders.images[image_id]),
        stock.held_by(mine),
        sum(
            count
            for group, count in stock.groups.items()
            if group & mine and not any(holders.is_needed_beside(each, mine) for each in group)
        ),
        sum(each.image_id == image_id for each in holders.containers),
    )


def _step_usage(stock: Inventory, holders: _Holders, step: StepResult) -> StepUsage:
    mine = holders.step_owners[step.key]
    return StepUsage(
        step,
        stock.held_by(mine),
        holders.is_in_use(step),
        any(holders.is_needed_beside(each, mine) for each in mine),
    )
