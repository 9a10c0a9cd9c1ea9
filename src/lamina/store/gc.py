"""Garbage collection: delete what no name, container, build step or living lease needs."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.store.atomic import is_held, locked
from lamina.store.contract import Reclaimed, Store
from lamina.store.reach import Needs, all_needs, detached
from lamina.store.trash import delete_tree


def collect(store: Store) -> Reclaimed:
    """Delete every blob and layer that nothing needs, and what dead writers left.

    Runs beside pulls and builds: what a lease protects stays, and `protect`
    waits while this runs.  While a damaged document hides what it needs, no
    blob and no layer is deleted: a flipped bit must not cost whole layers.
    """
    with store.leases.collecting():
        useless = sum(
            store.steps.remove(step.key)
            for step in store.steps
            if not all(store.layers.has(each) for each in step.layers)
        )
        needs = needed(store)
        result = _sweep(store, needs) if needs.complete else Reclaimed((), (), 0)
        leftovers = (
            store.layers.sweep()
            + store.blobs.sweep()
            + store.refs.sweep()
            + store.steps.sweep()
            + store.containers.sweep()
            + _sweep_builds(store.root / "builds")
        )
    return Reclaimed(result.layers, result.blobs, result.bytes + useless + leftovers)


def needed(store: Store) -> Needs:
    """Everything that must stay."""
    leased = store.leases.protected()
    return all_needs(store, store.refs.rows(), store.containers, store.steps, leased=leased)


def _sweep(store: Store, needs: Needs) -> Reclaimed:
    index = store.refs.disk_usage()
    store.refs.detach(detached(store, needs))
    index -= store.refs.disk_usage()
    layers = tuple(each for each in store.layers if each not in needs.layers)
    blobs = tuple(each for each in store.blobs if each not in needs.blobs)
    freed = sum(store.layers.remove(each) for each in layers)
    freed += sum(store.blobs.delete(each) for each in blobs)
    return Reclaimed(layers, blobs, freed + index)


def _sweep_builds(builds: Path) -> int:
    """Delete the working directories of dead builds; a living one holds a lock on its own."""
    if not builds.is_dir():
        return 0
    with locked(builds):
        places = [builds / name for name in os.listdir(builds)]
        return sum(delete_tree(place) for place in places if not is_held(place))
