"""Processes that pull, tag, remove, run and collect at once leave a store that verifies."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import traceback
from pathlib import Path

from lamina.errors import Conflict, NotFound
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.contract import StepResult, Store
from lamina.store.errors import ContainerNotFound, NameTaken
from lamina.store.fsck import check_store
from lamina.store.gc import collect
from lamina.store.names import remove_image, tag
from lamina.store.prune import Scope, prune
from lamina.store.root import open_store
from lamina.store.usage import measure
from tests.fakes.images import documents, make_record, tar_of
from tests.rights import needs_rights

PROCESSES, ROUNDS, POOL = 4, 30, 5
BASE = {"bin/sh": b"s" * 4000, "lib/libc": b"c" * 9000}


def pull(store: Store, number: int) -> None:
    """As a pull does: protect first, then look, fetch what is missing, name last."""
    tars = [tar_of(BASE), tar_of({f"app{number}": bytes([number]) * 5000, **BASE})]
    diff_ids = [Digest.of(each) for each in tars]
    manifest, config = documents(diff_ids, author=str(number))
    with store.leases.hold() as lease:
        lease.protect(*diff_ids, manifest.digest, config.digest)
        for diff_id, tar in zip(diff_ids, tars, strict=True):
            if not store.layers.has(diff_id):
                store.layers.ingest([tar], expected=diff_id)
        # Under the lease nothing may vanish: LayerNotFound here fails the test.
        store.images.add(manifest, config, Reference.parse(f"app:{number}"))
        store.steps.put(StepResult(Digest.of(bytes([number])), tuple(diff_ids)))


def use(store: Store, rng: random.Random) -> None:
    """One random act of another user of the store."""
    name = f"app:{rng.randrange(POOL)}"
    act = rng.randrange(6)
    if act == 0:
        tag(store, name, f"tag{rng.randrange(3)}")
    elif act == 1:
        remove_image(store, rng.choice([name, f"tag{rng.randrange(3)}"]), force=True)
    elif act == 2:
        run(store, name, rng)
    elif act == 3:
        store.containers.remove(rng.choice([each.id for each in store.containers] or ["none"]))
    elif act == 4:
        prune(store, Scope(images=rng.choice(["dangling", "unused"]), build_cache="all"))
    else:
        collect(store)


def run(store: Store, name: str, rng: random.Random) -> None:
    """As `run` does: find, protect, look again, make the container."""
    image = store.images.find(name)
    with store.leases.hold() as lease:
        lease.protect(image.config.digest, *image.layers)
        with store.layers.lowers(image.layers) as lowers:
            assert all(os.listdir(lower) for lower in lowers)
            store.containers.create(
                make_record(f"box{rng.randrange(4)}", image, number=rng.getrandbits(200))
            )


def work(root: Path, seed: int) -> None:
    rng, store = random.Random(seed), open_store(root)
    for _ in range(ROUNDS):
        if rng.random() < 0.4:
            pull(store, rng.randrange(POOL))
            continue
        try:
            use(store, rng)
        except (NotFound, Conflict, NameTaken, ContainerNotFound):
            continue  # another process was first: that is allowed


@needs_rights
def test_a_crowd_leaves_a_store_that_verifies(memory_path: Path) -> None:
    root = memory_path / "root"
    children = []
    for seed in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            try:
                work(root, seed)
            except BaseException:  # noqa: BLE001 - the child tells and ends, whatever it was
                traceback.print_exc(file=sys.__stderr__)
                os._exit(1)
            os._exit(0)
        children.append(pid)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert statuses == [0] * PROCESSES
    store = open_store(root)
    assert check_store(store).findings == []
    collect(store)
    assert check_store(store).findings == []
    assert list((root / "leases").iterdir()) == []
    said = subprocess.check_output(["du", "-sB1", root]).split()[0]
    assert measure(store).total == int(said)
    names = [each.name for each in store.containers]
    assert len(names) == len(set(names))


def test_names_set_at_once_are_all_kept(memory_path: Path) -> None:
    root = memory_path / "root"
    pull(open_store(root), 1)
    children = []
    for seed in range(4):
        pid = os.fork()
        if pid == 0:
            store = open_store(root)
            for number in range(15):
                tag(store, "app:1", f"many:{seed}-{number}")
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    assert len(open_store(root).refs.rows()) == 61
