"""Removing what is not used: first a plan, whose bytes can be told beforehand, then the deed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from lamina.oci.digest import Digest
from lamina.store import inventory
from lamina.store.atomic import is_held
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import LIVELY
from lamina.store.contract import NamedImage, Reclaimed, StepResult, Store
from lamina.store.errors import ContainerNotFound
from lamina.store.gc import collect
from lamina.store.inventory import Inventory, Owner
from lamina.store.reach import Needs, all_needs, detached


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be removed."""

    images: Literal["none", "dangling", "unused"] = "none"
    """dangling: those without a name; unused: all that no container was made from."""
    containers: bool = False
    """All that do not run."""
    build_cache: Literal["none", "unshared", "all"] = "none"
    """unshared: results whose layers are not all in an image or container that stays."""
    until: datetime | None = None
    """Only what was created before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a prune would remove, and what then stays."""

    images: tuple[tuple[NamedImage, ...], ...] = ()
    """The rows of each image that goes."""
    containers: tuple[ContainerRecord, ...] = ()
    steps: tuple[StepResult, ...] = ()

    @property
    def image_ids(self) -> frozenset[Digest]:
        """The images that go."""
        return frozenset(rows[0].image_id for rows in self.images)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune removed."""

    plan: Plan
    reclaimed: Reclaimed
    bytes: int
    """Of disk, freed in all."""


def plan(store: Store, scope: Scope) -> Plan:
    """What a prune of this scope would remove now."""
    protected = store.leases.protected()
    containers = tuple(
        record
        for record in store.containers
        if scope.containers
        and record.status not in LIVELY
        # A container that is being started has a lease on its id.
        and Digest("sha256:" + record.id) not in protected
        and _is_before(record.created, scope.until)
    )
    gone = {record.id for record in containers}
    staying = [record for record in store.containers if record.id not in gone]
    used = {record.image_id for record in staying}
    images = tuple(
        rows
        for rows in _by_image(store.refs.rows())
        if _may_go(rows, scope) and rows[0].image_id not in used
    )
    ids = {rows[0].image_id for rows in images}
    kept = all_needs(store, (row for row in store.refs.rows() if row.image_id not in ids), staying)
    steps = tuple(
        each
        for each in store.steps
        if _is_before(each.created, scope.until)
        and (
            scope.build_cache == "all"
            or (scope.build_cache == "unshared" and not set(each.layers) <= kept.layers)
        )
    )
    return Plan(images, containers, steps)


def foretell(store: Store, stock: Inventory, what: Plan) -> int:
    """Bytes of disk that pruning by this plan frees, garbage included."""
    keys = {each.key for each in what.steps}
    ids = what.image_ids
    gone = {each.id for each in what.containers}
    steps = [
        each
        for each in store.steps
        if each.key not in keys and all(store.layers.has(layer) for layer in each.layers)
    ]
    needs = all_needs(
        store,
        (row for row in store.refs.rows() if row.image_id not in ids),
        (each for each in store.containers if each.id not in gone),
        steps,
        leased=store.leases.protected(),
    )
    owners = {inventory.container(each) for each in gone}
    kept_steps = {inventory.step(each.key) for each in steps}
    owners |= {each for each in stock.owners() if each.kind == "step" and each not in kept_steps}
    rows = ids
    if needs.complete:
        owners |= _unneeded(stock, needs)
        rows = ids | detached(store, needs)
    owners |= _dead_leftovers(store, stock)
    index = store.refs.disk_usage() - store.refs.disk_usage(without=rows)
    return stock.freed_by(owners) + index


def prune(store: Store, scope: Scope) -> Pruned:
    """Remove what the scope allows, then collect."""
    what = plan(store, scope)
    freed = store.refs.disk_usage()
    for record in what.containers:
        freed += _remove_container(store, record)
    for image_id in what.image_ids:
        store.refs.remove_image(image_id)
    for step in what.steps:
        freed += store.steps.remove(step.key)
    freed -= store.refs.disk_usage()
    reclaimed = collect(store)
    return Pruned(what, reclaimed, freed + reclaimed.bytes)


def _remove_container(store: Store, record: ContainerRecord) -> int:
    try:
        if store.containers.written(record.id).status in LIVELY:
            return 0  # started since the plan was made, or not put in order yet after its end
        return store.containers.remove(record.id)
    except ContainerNotFound:
        return 0


def _by_image(rows: Collection[NamedImage]) -> list[tuple[NamedImage, ...]]:
    ordered = sorted(rows, key=lambda row: row.image_id)
    return [tuple(group) for _, group in groupby(ordered, key=lambda row: row.image_id)]


def _may_go(rows: tuple[NamedImage, ...], scope: Scope) -> bool:
    if not _is_before(rows[0].created, scope.until):
        return False
    if scope.images == "dangling":
        return all(row.reference is None for row in rows)
    return scope.images == "unused"


def _is_before(created: str, until: datetime | None) -> bool:
    """Whether something is old enough; without a time of its own it is."""
    if until is None or not created:
        return True
    try:
        return datetime.fromisoformat(created) < until
    except (ValueError, TypeError):
        return True


def _unneeded(stock: Inventory, needs: Needs) -> set[Owner]:
    needed = {inventory.blob(each) for each in needs.blobs}
    needed |= {inventory.layer(each) for each in needs.layers}
    return {
        each for each in stock.owners() if each.kind in ("blob", "layer") and each not in needed
    }


def _dead_leftovers(store: Store, stock: Inventory) -> set[Owner]:
    dead = {
        each
        for each in stock.owners()
        if each.kind == "leftover" and not is_held(store.root / each.name)
    }
    if any(each.name.startswith("layers/") for each in dead):
        # The layer store looks for orphaned objects when it finds a dead writer's layer.
        dead.add(Owner("orphan", ""))
    return dead
