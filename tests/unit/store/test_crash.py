"""A process killed at any moment loses nothing that had a name.

Each act is run in a child that kills itself before its n-th change of the
disk, for every n until the act gets through; what is left must verify, and
hold either the state before the act or the one after.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lamina.oci.artifact import Artifact
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store import layers as layers_module
from lamina.store.contract import StepResult, Store
from lamina.store.convert import convert
from lamina.store.errors import ImageNotFound
from lamina.store.fsck import check_store
from lamina.store.gc import collect
from lamina.store.names import remove_image, tag
from lamina.store.prune import Scope, prune
from lamina.store.root import open_store
from lamina.store.usage import EVERYTHING, measure
from tests.fakes.images import make_artifact, make_image, make_layer, make_record

CHANGES = (
    "fsync",
    "fdatasync",
    "rename",
    "replace",
    "unlink",
    "mkdir",
    "rmdir",
    "link",
    "write",
    "symlink",
)


def die_before_change(number: int) -> None:
    """From now on this process kills itself before its `number`-th change of the disk."""
    left = number

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in CHANGES:
        setattr(os, name, guarded(getattr(os, name)))
    vars(layers_module)["exchange"] = guarded(vars(layers_module)["exchange"])


def killed(act: Callable[[], object], number: int) -> bool:
    """Run `act` in a child that dies before its `number`-th change; False if it got through."""
    pid = os.fork()
    if pid == 0:
        die_before_change(number)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def state(store: Store) -> tuple[object, ...]:
    """Everything that has a name."""
    return (
        sorted(str(row) for row in store.refs.rows()),
        [
            str(artifact.digest)
            for row in store.refs.rows()
            for artifact in store.images.attached(row.descriptor.digest)
        ],
        sorted(str(each) for each in store.containers),
        sorted(str(each) for each in store.steps if store.steps.get(each.key)),
    )


BASE = {"bin/sh": b"x" * 5000, "etc/passwd": b"root"}


def furnish(root: Path) -> Store:
    store = open_store(root)
    image = make_image(store, "app", BASE, {"bin/app": b"1" * 3000})
    other = make_image(store, "other", BASE, {"bin/other": b"2" * 3000})
    store.images.attach(other, make_artifact(other, b"proof"))
    store.containers.create(make_record("stopped", image, status="exited"))
    store.steps.put(StepResult(Digest.of(b"old"), image.layers, description="RUN old"))
    return store


def attach(store: Store, name: str) -> None:
    image = store.images.find(name)
    removed = make_layer(store, {"removed": b"1" * 3000})
    size = store.layers.info(removed).tar_size
    subject = image.manifest.descriptor
    store.images.attach(image, Artifact.of_layer(subject, "application/removed", removed, size))


ACTS: dict[str, Callable[[Store], object]] = {
    "put a blob": lambda store: store.blobs.put_bytes(b"blob" * 1000),
    "delete a blob": lambda store: store.blobs.delete(Digest.of(b"nothing")),
    "set a new name": lambda store: tag(store, "app", "new"),
    "move a name": lambda store: tag(store, "other", "app"),
    "remove a name": lambda store: store.refs.remove(Reference.parse("other")),
    "add an image": lambda store: make_image(store, "third", BASE, {"third": b"3" * 3000}),
    "replace an image": lambda store: make_image(store, "app", BASE, author="new"),
    "remove an image": lambda store: remove_image(store, "other"),
    "attach": lambda store: attach(store, "app"),
    "attach once more": lambda store: attach(store, "other"),
    "attach a document": lambda store: store.images.attach(
        store.images.find("app"), make_artifact(store.images.find("app"), b"proof")
    ),
    "make a container": lambda store: store.containers.create(make_record("new", number=2)),
    "change a container": lambda store: store.containers.update(f"{1:064x}", exit_status=3),
    "remove a container": lambda store: store.containers.remove(f"{1:064x}"),
    "keep a step": lambda store: store.steps.put(StepResult(Digest.of(b"new"))),
    "replace a step": lambda store: store.steps.put(StepResult(Digest.of(b"old"))),
    "collect": collect,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_killed_at_any_change(memory_path: Path, act: Callable[[Store], object]) -> None:
    kill_at_every_change(memory_path, act)


IMAGE_ACTS: dict[str, Callable[[Store], object]] = {
    "add an image": ACTS["add an image"],
    "remove an image": ACTS["remove an image"],
    "convert there and back": lambda store: [
        convert(store, list(store.layers), "tree"),
        convert(store, list(store.layers), "image"),
    ],
}


@pytest.mark.parametrize("act", IMAGE_ACTS.values(), ids=list(IMAGE_ACTS))
def test_killed_at_any_change_of_images(tmp_path: Path, act: Callable[[Store], object]) -> None:
    """On a real disk: images are not kept in memory."""
    if reason := open_store(tmp_path / "probe").layers.no_image_form:
        pytest.skip(reason)
    kill_at_every_change(tmp_path, act)


def copy(store: Path, place: Path) -> None:
    """A store as it is, hard links too: quicker than to furnish another."""
    subprocess.run(["cp", "-a", str(store), str(place)], check=True)


def kill_at_every_change(place: Path, act: Callable[[Store], object]) -> None:
    furnish(place / "whole")
    copy(place / "whole", place / "after")
    before = state(open_store(place / "whole"))
    act(open_store(place / "after"))
    after = state(open_store(place / "after"))
    for number in range(1, 200):
        root = place / f"killed-{number}"
        copy(place / "whole", root)
        store = open_store(root)
        was_killed = killed(partial(act, store), number)
        store = open_store(root)
        assert check_store(store).findings == [], f"killed before change {number}"
        assert state(store) in (before, after), f"killed before change {number}"
        collect(store)
        assert check_store(store).findings == []
        assert list(root.glob("**/.tmp-*")) + list(root.glob("**/.trash-*")) == []
        assert measure(store).rows[3].reclaimable == 0
        shutil.rmtree(root)
        if not was_killed:
            assert number > 1 or before == after
            return
    pytest.fail("the act never got through")


def test_killed_while_pruning_everything(memory_path: Path) -> None:
    furnish(memory_path / "whole")
    for number in range(1, 300):
        root = memory_path / f"killed-{number}"
        copy(memory_path / "whole", root)
        store = open_store(root)
        was_killed = killed(partial(prune, store, EVERYTHING), number)
        store = open_store(root)
        assert check_store(store).findings == [], f"killed before change {number}"
        for row in store.refs.rows():
            assert all(map(store.layers.has, store.images.open(row).layers))
        prune(store, EVERYTHING)
        assert prune(store, Scope()).bytes == 0
        assert measure(store).reclaimable == 0
        assert (list(store.layers), list(store.blobs)) == ([], [])
        assert list((root / "objects").iterdir()) == []
        shutil.rmtree(root)
        if not was_killed:
            return
    pytest.fail("the prune never got through")


def test_killed_while_making_the_store(memory_path: Path) -> None:
    for number in range(1, 100):
        root = memory_path / f"killed-{number}"
        was_killed = killed(partial(open_store, root), number)
        store = open_store(root)
        collect(store)
        assert check_store(store).findings == [], f"killed before change {number}"
        with pytest.raises(ImageNotFound):
            store.images.find("a")
        assert make_image(store, "a", BASE) == store.images.find("a")
        if not was_killed:
            assert number > 10
            return
    pytest.fail("the store was never made")
