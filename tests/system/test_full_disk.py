"""A full disk: a clear error, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.contract import StepResult, Store
from lamina.store.errors import NoSpace
from lamina.store.fsck import check_store
from lamina.store.gc import collect
from lamina.store.names import tag
from lamina.store.root import open_store
from tests.fakes.images import make_image, make_layer, make_record
from tests.rights import needs_rights

pytestmark = [pytest.mark.system, needs_rights]
BIG = os.urandom(1 << 20) * 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,nr_inodes=200", "lamina-test", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


WRITES: dict[str, Callable[[Store], object]] = {
    "a blob": lambda store: store.blobs.put_bytes(BIG),
    "a layer": lambda store: make_layer(store, {"big": BIG}),
    "a layer of many files": lambda store: make_layer(
        store, {f"dir{number}/file": b"x" for number in range(300)}
    ),
    "an image": lambda store: make_image(store, "big", {"big": BIG}),
    "a build step": lambda store: store.steps.put(
        StepResult(Digest.of(b"key"), description=BIG.hex())
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_what_does_not_fit_is_told_and_leaves_nothing(
    small_disk: Path, write: Callable[[Store], object]
) -> None:
    store = open_store(small_disk / "root")
    image = make_image(store, "app", {"bin/app": b"x" * 10_000})
    tag(store, "app", "app:first")  # makes the lock files
    before = everything(small_disk)
    with pytest.raises(NoSpace) as caught:
        write(store)
    assert "no space left" in str(caught.value)
    assert "lamina prune" in caught.value.hint
    assert everything(small_disk) == before
    assert check_store(store).findings == []
    assert store.images.find("app").config == image.config
    assert collect(store).bytes == 0


@pytest.mark.parametrize("free", [0, 1])
def test_a_disk_without_room_for_anything(small_disk: Path, free: int) -> None:
    store = open_store(small_disk / "root")
    image = make_image(store, "app", {"bin/app": b"x" * 10_000})
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
        file.truncate(file.tell() - free * 4096)
    rows = store.refs.rows()
    record = make_record("box", image)
    with pytest.raises(NoSpace):
        store.blobs.put_bytes(b"x" * 9000)
    with pytest.raises(NoSpace):
        for number in range(3):
            store.steps.put(StepResult(Digest.of(bytes([number])), description="x" * 5000))
    if not free:
        with pytest.raises(NoSpace):
            store.containers.create(record)
        with pytest.raises(NoSpace):
            tag(store, "app", "other")
        assert list(store.containers) == []
        assert store.refs.rows() == rows
    assert check_store(store).findings == []
    filler.unlink()
    tag(store, "app", "other")
    assert store.refs.get(Reference.parse("other")) is not None


def test_pruning_works_on_a_full_disk(small_disk: Path) -> None:
    store = open_store(small_disk / "root")
    make_layer(store, {"garbage": b"x" * 1_000_000})
    with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):
        while file.write(b"x" * 4096):
            pass
    assert collect(store).bytes >= 1_000_000
    store.blobs.put_bytes(b"x" * 500_000)


def test_a_new_store_without_room(small_disk: Path) -> None:
    with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):
        while file.write(b"x" * 4096):
            pass
    with pytest.raises(NoSpace):
        open_store(small_disk / "root")
    (small_disk / "filler").unlink()
    assert make_image(open_store(small_disk / "root"), "app").layers == ()
