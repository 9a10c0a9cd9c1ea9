"""What the build cache has, and removing what was not used for long or is too much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from lamina.cache.mounts import CacheMount, CacheMountInUse, CacheMounts
from lamina.oci.digest import Digest
from lamina.store.contract import StepResult, Store
from lamina.store.gc import collect
from lamina.store.reach import all_needs


class CachedStep(msgspec.Struct, frozen=True):
    """One result, under however many keys."""

    keys: tuple[Digest, ...]
    layer: Digest
    title: str
    size: int
    """Bytes of file content."""
    created: str
    """RFC 3339."""
    used: float
    """When a build last found it, in seconds since the epoch."""
    shared: bool
    """Whether an image or a container has the layer as well: removing it frees no disk."""

    @property
    def id(self) -> str:
        """What people call it."""
        return min(self.keys).short


class Scope(msgspec.Struct, frozen=True):
    """What may be removed."""

    steps: bool = True
    mounts: bool = True
    shared: bool = False
    """Steps as well whose layer an image or container has."""
    before: float | None = None
    """Only what was last used before, in seconds since the epoch."""
    keep: int | None = None
    """Bytes of disk that may stay: only the least recently used beyond them go."""


class Plan(msgspec.Struct, frozen=True):
    """What a prune would remove."""

    steps: tuple[CachedStep, ...]
    mounts: tuple[CacheMount, ...]


def cached_steps(store: Store) -> list[CachedStep]:
    """All results whose layers are here, the last used first."""
    groups: dict[tuple[Digest, str, str], list[StepResult]] = {}
    for step in store.steps:
        if len(step.layers) == 1 and store.layers.has(step.layers[0]):
            group = (step.layers[0], step.description, step.created)
            groups.setdefault(group, []).append(step)
    needed = all_needs(store, store.refs.rows(), store.containers).layers
    found = [
        CachedStep(
            tuple(each.key for each in steps),
            layer,
            title,
            _size(steps[0]),
            created,
            max(store.steps.used(each.key) for each in steps),
            layer in needed,
        )
        for (layer, title, created), steps in groups.items()
    ]
    return sorted(found, key=lambda step: (-step.used, step.title))


def plan(store: Store, mounts: CacheMounts, scope: Scope, seconds: Callable[[str], float]) -> Plan:
    """What a prune of this scope would remove now; `seconds` reads RFC 3339 times."""
    steps = [
        step
        for step in (cached_steps(store) if scope.steps else ())
        if (scope.shared or not step.shared) and _is_old(step.used, scope)
    ]
    places = [
        mount
        for mount in (mounts if scope.mounts else ())
        if not mount.in_use and _is_old(seconds(mount.used), scope)
    ]
    if scope.keep is None:
        return Plan(tuple(steps), tuple(places))
    beyond = set(_beyond(scope.keep, _by_age(store, mounts, steps, places, seconds)))
    return Plan(
        tuple(each for each in steps if each.id in beyond),
        tuple(each for each in places if str(each.path) in beyond),
    )


def prune(store: Store, mounts: CacheMounts, what: Plan) -> int:
    """Remove what the plan says, then collect; returns the bytes of disk freed."""
    freed = sum(store.steps.remove(key) for step in what.steps for key in step.keys)
    for mount in what.mounts:
        try:
            freed += mounts.remove(mount)
        except CacheMountInUse:
            continue  # a build has begun since the plan was made
    return freed + collect(store).bytes


def _size(step: StepResult) -> int:
    size = step.data.get("size", 0)
    return size if isinstance(size, int) else 0


def _is_old(used: float, scope: Scope) -> bool:
    return scope.before is None or used < scope.before


def _by_age(
    store: Store,
    mounts: CacheMounts,
    steps: Sequence[CachedStep],
    places: Sequence[CacheMount],
    seconds: Callable[[str], float],
) -> Iterator[tuple[str, int]]:
    """What they are called and the bytes of disk each takes, the last used first."""
    rows: list[tuple[float, str, int]] = []
    counted: set[Digest] = set()
    for step in steps:
        size = 0 if step.layer in counted else store.layers.disk_usage(step.layer)
        counted.add(step.layer)
        rows.append((step.used, step.id, size))
    rows += [(seconds(each.used), str(each.path), mounts.size(each)) for each in places]
    return ((name, size) for _, name, size in sorted(rows, key=lambda row: -row[0]))


def _beyond(keep: int, rows: Iterable[tuple[str, int]]) -> Iterator[str]:
    total = 0
    for name, size in rows:
        total += size
        if total > keep:
            yield name
