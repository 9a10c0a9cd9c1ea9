"""What the build cache has, and which part of it goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamina.cache.cache import Cache, Made
from lamina.cache.mounts import CacheMounts
from lamina.cache.prune import Plan, Scope, cached_steps, plan, prune
from lamina.oci.digest import Digest
from lamina.store.contract import Store
from lamina.store.root import open_store
from tests.fakes.images import make_image, make_layer
from tests.rights import needs_rights

CREATED = "2026-01-02T03:04:05Z"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


@pytest.fixture
def mounts(store: Store) -> CacheMounts:
    return CacheMounts(store.root)


def step(store: Store, name: str, *, used: float = 0.0, keys: int = 2, size: int = 1) -> Digest:
    """A result that a step of this name made; its layer."""
    layer = make_layer(store, {name: name.encode() * size})
    info = store.layers.info(layer)
    made = Made(layer, info.content_size, info.tar_size, CREATED)
    every = [Digest.of(f"{name} {number}".encode()) for number in range(keys)]
    with store.leases.hold() as lease:
        Cache(store, lease).keep(every, made, f"RUN {name}")
    for key in every:
        os.utime(store.root / "steps" / f"{key.hex}.json", (used, used))
    return layer


def mount(mounts: CacheMounts, name: str, used: float) -> None:
    with mounts.use(name, now=datetime.fromtimestamp(used, UTC).isoformat()) as place:
        (place / "f").write_bytes(bytes(100_000))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def planned(store: Store, mounts: CacheMounts, scope: Scope) -> list[str]:
    what = plan(store, mounts, scope, seconds)
    return [each.title for each in what.steps] + [each.id for each in what.mounts]


def test_one_result_is_one_row_however_many_keys_it_has(store: Store) -> None:
    layer = step(store, "one", used=5)
    (found,) = cached_steps(store)
    assert (found.layer, found.title, found.size, found.used) == (layer, "RUN one", 3, 5)
    assert len(found.keys) == 2
    assert not found.shared


def test_what_was_used_last_comes_first(store: Store) -> None:
    for used, name in enumerate(("a", "b", "c")):
        step(store, name, used=used)
    assert [each.title for each in cached_steps(store)] == ["RUN c", "RUN b", "RUN a"]


def test_finding_is_using(store: Store) -> None:
    step(store, "one", used=5)
    with store.leases.hold() as lease:
        assert Cache(store, lease).find(Digest.of(b"one 1")) is not None
    assert cached_steps(store)[0].used > 5


def test_what_an_image_shares_stays_unless_all_may_go(store: Store, mounts: CacheMounts) -> None:
    step(store, "one")
    step(store, "two")
    make_image(store, "app:1", {"one": b"one"})
    assert planned(store, mounts, Scope()) == ["RUN two"]
    assert set(planned(store, mounts, Scope(shared=True))) == {"RUN one", "RUN two"}


@needs_rights
def test_steps_or_mounts(store: Store, mounts: CacheMounts) -> None:
    step(store, "one")
    mount(mounts, "pip", 5)
    assert planned(store, mounts, Scope()) == ["RUN one", "pip"]
    assert planned(store, mounts, Scope(mounts=False)) == ["RUN one"]
    assert planned(store, mounts, Scope(steps=False)) == ["pip"]


@needs_rights
def test_what_was_used_since_stays(store: Store, mounts: CacheMounts) -> None:
    for used in (10, 20, 30):
        step(store, f"s{used}", used=used)
        mount(mounts, f"m{used}", used)
    assert planned(store, mounts, Scope(before=20)) == ["RUN s10", "m10"]


@needs_rights
def test_the_least_recently_used_go_until_it_is_little_enough(
    store: Store, mounts: CacheMounts
) -> None:
    layers = [step(store, name, used=used, size=30_000) for used, name in ((10, "a"), (30, "c"))]
    mount(mounts, "b", 20)
    size = store.layers.disk_usage(layers[1])
    room = size + mounts.size(next(iter(mounts)))
    assert planned(store, mounts, Scope(keep=room)) == ["RUN a"]
    assert planned(store, mounts, Scope(keep=size)) == ["RUN a", "b"]
    assert planned(store, mounts, Scope(keep=0)) == ["RUN c", "RUN a", "b"]
    assert planned(store, mounts, Scope(keep=1 << 40)) == []


@needs_rights
def test_pruning_frees_the_layers(store: Store, mounts: CacheMounts) -> None:
    layer = step(store, "one", size=30_000)
    mount(mounts, "pip", 5)
    freed = prune(store, mounts, plan(store, mounts, Scope(), seconds))
    assert freed > 190_000
    assert not store.layers.has(layer)
    assert list(store.steps) == []
    assert list(mounts) == []


@needs_rights
def test_a_mount_that_a_build_has_is_not_touched(store: Store, mounts: CacheMounts) -> None:
    mount(mounts, "pip", 5)
    before = plan(store, mounts, Scope(), seconds)
    with mounts.use("pip", now=CREATED):
        assert planned(store, mounts, Scope()) == []
        prune(store, mounts, before)
        assert len(list(mounts)) == 1


def test_nothing_to_do(store: Store, mounts: CacheMounts) -> None:
    assert plan(store, mounts, Scope(), seconds) == Plan((), ())
