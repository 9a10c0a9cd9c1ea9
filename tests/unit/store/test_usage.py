"""Disk usage: the rows add up to `du`, and reclaimable is what prune frees."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamina.oci.artifact import Artifact
from lamina.oci.digest import Digest
from lamina.store.atomic import held_file, locked
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import StepResult, Store
from lamina.store.inventory import take_inventory
from lamina.store.prune import Plan, Scope, foretell, plan, prune
from lamina.store.usage import EVERYTHING, measure
from tests.contract.container_store import start_of
from tests.fakes.images import make_artifact, make_image, make_layer, make_record

DEFAULT = Scope(images="dangling", containers=True, build_cache="unshared")


def du(root: Path) -> int:
    return int(subprocess.check_output(["du", "-sB1", root]).split()[0])


def files(*names: str, size: int = 10_000) -> dict[str, bytes]:
    return {name: name.encode()[:1] * size for name in names}


@pytest.fixture
def full(store: Store) -> Store:
    """Images that share layers and files, containers, build steps, garbage."""
    base = files("bin/a", "bin/b", "etc/c")
    first = make_image(store, "first", base, files("first"))
    make_image(store, "alias", base, files("first"))
    make_image(store, "second", base, {**files("second"), **files("bin/a")})
    make_image(store, "moved", files("old", "bin/b"))
    make_image(store, "moved", files("new", "bin/b"))
    for number in range(30):
        make_image(store, f"many:{number}", author=str(number))
    store.containers.create(make_record("stopped", first, number=1, status="exited"))
    removed = make_layer(store, files("removed", size=40_000))
    size = store.layers.info(removed).tar_size
    for number in range(30):
        store.images.attach(first, make_artifact(first, b"%d" % number * 3000))
    subject = first.manifest.descriptor
    store.images.attach(first, Artifact.of_layer(subject, "application/removed", removed, size))
    for number in range(10):
        image = store.images.find(f"many:{number}")
        store.images.attach(image, make_artifact(image, b"proof"))
    gone = make_image(store, "gone", author="gone")
    store.images.attach(gone, make_artifact(gone, b"nobody's proof"))
    store.refs.remove_image(gone.config.digest)
    me = os.getpid()
    running = make_record(
        "running", first, number=2, status="running", pid=me, pid_started=start_of(me)
    )
    place = store.containers.create(running)
    (place / "upper" / "big").write_bytes(b"x" * 50_000)
    os.link(place / "upper" / "big", place / "upper" / "same")
    cached = make_layer(store, files("cached", "bin/a"))
    store.steps.put(StepResult(Digest.of(b"1"), (first.layers[0],), description="RUN shared"))
    store.steps.put(StepResult(Digest.of(b"2"), (first.layers[0], cached)))
    store.steps.put(StepResult(Digest.of(b"3")))
    store.steps.put(StepResult(Digest.of(b"4"), (Digest.of(b"lost"),)))
    make_layer(store, files("garbage", "bin/b", size=30_000))
    store.blobs.put_bytes(b"garbage" * 2000)
    (store.root / "blobs/sha256/.tmp-dead").write_bytes(b"x" * 9000)
    (store.root / "builds/dead/upper").mkdir(parents=True)
    (store.root / "builds/dead/upper/file").write_bytes(b"x" * 9000)
    return store


def test_the_total_is_what_du_says(full: Store) -> None:
    usage = measure(full)
    assert usage.total == du(full.root)
    assert sum(row.size for row in usage.rows) == usage.total


def test_an_empty_store_has_only_what_it_needs_itself(store: Store) -> None:
    usage = measure(store)
    assert usage.total == du(store.root)
    assert [(row.kind, row.total, row.reclaimable) for row in usage.rows] == [
        ("Images", 0, 0),
        ("Containers", 0, 0),
        ("Build Cache", 0, 0),
        ("Other", 0, 0),
    ]
    assert usage.rows[3].size == usage.total


def test_counts(full: Store) -> None:
    usage = measure(full)
    assert [(row.total, row.active) for row in usage.rows[:3]] == [(34, 1), (2, 1), (3, 1)]


@pytest.mark.parametrize(
    "scope",
    [
        EVERYTHING,
        DEFAULT,
        Scope(),
        Scope(images="dangling"),
        Scope(images="unused"),
        Scope(containers=True),
        Scope(build_cache="unshared"),
        Scope(build_cache="all"),
        Scope(images="unused", until=datetime(2023, 1, 1, tzinfo=UTC)),
        Scope(images="unused", until=datetime(2030, 1, 1, tzinfo=UTC)),
    ],
    ids=str,
)
def test_what_is_foretold_is_what_prune_frees(full: Store, scope: Scope) -> None:
    before = du(full.root)
    foretold = foretell(full, take_inventory(full.root), plan(full, scope))
    assert foretold > 0
    pruned = prune(full, scope)
    freed = before - du(full.root)
    assert (foretold, pruned.bytes) == (freed, freed)
    assert measure(full).total == du(full.root)
    again = prune(full, scope)
    assert again.bytes == 0


def test_reclaimable_of_each_row_is_what_pruning_it_frees(full: Store) -> None:
    prune(full, Scope())
    usage = measure(full)
    assert usage.rows[3].reclaimable == 0
    assert usage.reclaimable == foretell(full, take_inventory(full.root), plan(full, EVERYTHING))
    before = du(full.root)
    prune(full, Scope(images="unused"))
    assert before - du(full.root) == usage.rows[0].reclaimable > 0
    assert measure(full).reclaimable == usage.reclaimable - usage.rows[0].reclaimable


def test_pruning_everything_leaves_what_runs(full: Store) -> None:
    prune(full, EVERYTHING)
    assert [str(row.reference) for row in full.refs.rows()] == [
        "docker.io/library/first:latest",
        "docker.io/library/alias:latest",
    ]
    assert [each.name for each in full.containers] == ["running"]
    assert list(full.steps) == []
    assert full.images.find("first").layers == full.containers.find("running").layers
    assert all(full.layers.verify(each) == [] for each in full.layers)


def test_the_default_scope_keeps_names_and_shared_cache(full: Store) -> None:
    names = [row.reference for row in full.refs.rows() if row.reference is not None]
    prune(full, DEFAULT)
    assert [row.reference for row in full.refs.rows()] == names
    assert sorted(step.key for step in full.steps) == sorted((Digest.of(b"1"), Digest.of(b"3")))


def test_unique_is_what_removing_the_image_frees(store: Store) -> None:
    base = files("bin/a", "bin/b")
    make_image(store, "one", base, files("one", "bin/a"))
    make_image(store, "two", base, files("two"))
    by_name = {str(each.rows[0].reference): each for each in measure(store).images}
    one = by_name["docker.io/library/one:latest"]
    assert one.shared > 0
    assert one.size == one.shared + one.unique
    before = du(store.root)
    freed_index = store.refs.disk_usage() - store.refs.disk_usage(without=[one.rows[0].image_id])
    store.refs.remove_image(one.rows[0].image_id)
    prune(store, Scope())
    assert before - du(store.root) == one.unique + freed_index


def test_the_work_of_living_writers_is_not_reclaimable(store: Store) -> None:
    path, fd = held_file(store.root / "blobs/sha256", ".tmp-")
    with open(fd, "wb") as file:
        file.write(b"x" * 10_000)
        file.flush()
        with store.leases.hold() as lease:
            digest = store.blobs.put_bytes(b"pulled just now")
            lease.protect(digest)
            assert foretell(store, take_inventory(store.root), Plan()) == 0
            assert prune(store, EVERYTHING).bytes == 0
            assert store.blobs.has(digest)
            assert path.exists()


def test_a_living_build_keeps_its_working_directory(store: Store) -> None:
    place = store.root / "builds" / "living"
    place.mkdir(parents=True)
    (place / "file").write_bytes(b"x" * 9000)
    with locked(place):
        assert foretell(store, take_inventory(store.root), Plan()) == 0
        assert prune(store, EVERYTHING).bytes == 0
        assert (place / "file").exists()
    assert prune(store, EVERYTHING).bytes >= 9000
    assert not place.exists()


def test_a_container_being_started_is_spared(store: Store) -> None:
    record: ContainerRecord = make_record("starting")
    store.containers.create(record)
    with store.leases.hold() as lease:
        lease.protect(Digest("sha256:" + record.id))
        assert plan(store, EVERYTHING).containers == ()
    assert plan(store, EVERYTHING).containers == (record,)


def test_until_spares_what_is_new(store: Store) -> None:
    make_image(store, "old", created="2020-01-01T00:00:00Z")
    make_image(store, "new", author="x", created="2024-01-01T00:00:00.123456789Z")
    scope = Scope(images="unused", until=datetime(2022, 1, 1, tzinfo=UTC))
    prune(store, scope)
    assert [str(row.reference) for row in store.refs.rows()] == ["docker.io/library/new:latest"]
