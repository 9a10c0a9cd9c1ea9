"""Mounts of layers: one for all, there while somebody needs them, and gone without a trace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamina.linux import syscall
from lamina.oci.digest import Digest
from lamina.store.errors import LayerNotFound, NotMounted
from lamina.store.layers import DirLayers
from lamina.store.mounts import LayerMounts
from lamina.store.root import open_store
from tests.fakes.archives import archive, file, folder

TAR = archive(folder("d"), file("d/f", b"content"))


def mount_points(directory: Path) -> list[str]:
    """What the kernel says is mounted below a directory (proc(5), mountinfo)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f"{directory}/")]


def opened(root: Path, run_directory: Path) -> DirLayers:
    open_store(root)
    return DirLayers(root, form="image", run_directory=run_directory)


@pytest.fixture
def run_directory(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "run"
    yield place
    for point in mount_points(place):
        syscall.umount2(point, syscall.MNT_DETACH)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def layers(root: Path, run_directory: Path) -> DirLayers:
    found = opened(root, run_directory)
    if found.no_image_form:
        pytest.skip(found.no_image_form)
    return found


@pytest.fixture
def layer(layers: DirLayers) -> Digest:
    return layers.ingest([TAR], expected=None).diff_id


def read(layers: DirLayers, layer: Digest) -> bytes:
    with layers.lowers([layer]) as (lower,):
        return (lower / "d/f").read_bytes()


def test_nothing_is_mounted_before_somebody_needs_it(
    layers: DirLayers, layer: Digest, run_directory: Path
) -> None:
    list(layers.tar(layer))
    layers.hashed(layer)
    layers.verify(layer)
    assert mount_points(run_directory) == []
    assert not run_directory.exists()


def test_a_layer_is_mounted_once_whoever_asks(
    layers: DirLayers, layer: Digest, root: Path, run_directory: Path
) -> None:
    others = [opened(root, run_directory) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: read(each, layer), others)) == [b"content"] * 8
    assert len(mount_points(run_directory)) == 1
    assert layers.mounted() == [layer]


def test_it_stays_while_it_is_held_and_goes_when_it_is_not(
    layers: DirLayers, layer: Digest, root: Path, run_directory: Path
) -> None:
    other = opened(root, run_directory)
    with layers.lowers([layer]) as (lower,):
        other.sweep()
        assert (lower / "d/f").read_bytes() == b"content"
    assert layers.mounted() == [layer]
    other.sweep()
    assert layers.mounted() == []
    assert read(layers, layer) == b"content"


def test_a_mount_that_is_gone_is_made_again(
    layers: DirLayers, layer: Digest, run_directory: Path
) -> None:
    """As after a reboot, when the directory may be there and the mount is not."""
    assert read(layers, layer) == b"content"
    (point,) = mount_points(run_directory)
    syscall.umount2(point)
    assert Path(point).is_dir()
    assert read(layers, layer) == b"content"
    shutil.rmtree(run_directory, ignore_errors=True)
    for point in mount_points(run_directory):
        syscall.umount2(point)
    shutil.rmtree(run_directory)
    assert read(layers, layer) == b"content"
    assert len(mount_points(run_directory)) == 1


HOLDER = """
import sys
from pathlib import Path
from lamina.oci.digest import Digest
from lamina.store.layers import DirLayers
from lamina.store.mounts import LayerMounts
layers = DirLayers(Path(sys.argv[1]), run_directory=Path(sys.argv[2]))
with layers.lowers([Digest(sys.argv[3])]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_nothing_and_leaves_nothing(
    layers: DirLayers, layer: Digest, root: Path, run_directory: Path
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root), str(run_directory), str(layer)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        layers.sweep()
        assert layers.mounted() == [layer]
        holder.send_signal(signal.SIGKILL)
    layers.sweep()
    assert layers.mounted() == []
    assert mount_points(run_directory) == []


def test_a_layer_removed_while_it_is_held(
    layers: DirLayers, layer: Digest, run_directory: Path
) -> None:
    with layers.lowers([layer]) as (lower,):
        held = os.open(lower, os.O_RDONLY | os.O_DIRECTORY)
        layers.remove(layer)
        assert mount_points(run_directory) == []
        assert os.listdir(held) == ["d"]
        os.close(held)
    with pytest.raises(LayerNotFound), layers.lowers([layer]):
        pass


def test_one_store_cleans_up_after_another_that_is_gone(
    layers: DirLayers, layer: Digest, root: Path, run_directory: Path, tmp_path: Path
) -> None:
    read(layers, layer)
    shutil.rmtree(root)
    second = opened(tmp_path / "second", run_directory)
    kept = second.ingest([TAR], expected=None).diff_id
    with second.lowers([kept]) as (lower,):
        second.sweep()
        assert mount_points(run_directory) == [str(lower)]
    second.sweep()
    assert mount_points(run_directory) == []


def test_a_store_made_anew_at_the_same_place_shares_no_mounts(
    layers: DirLayers, layer: Digest, root: Path, run_directory: Path
) -> None:
    read(layers, layer)
    (before,) = mount_points(run_directory)
    shutil.rmtree(root)
    again = opened(root, run_directory)
    again.ingest([TAR], expected=None)
    read(again, layer)
    assert len(mount_points(run_directory)) == 2
    again.sweep()
    assert mount_points(run_directory) == []
    assert not Path(before).parent.exists()


def test_many_layers_are_held_and_let_go_together(layers: DirLayers, run_directory: Path) -> None:
    tars = [archive(file("f", b"%d" % number)) for number in range(30)]
    chain = [layers.ingest([tar], expected=None).diff_id for tar in tars]
    before = len(os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        lowers = stack.enter_context(layers.lowers(chain))
        assert [(lower / "f").read_bytes() for lower in lowers] == [
            b"%d" % number for number in range(30)
        ]
    assert len(os.listdir("/proc/self/fd")) == before
    absent = Digest.of(b"absent")
    with pytest.raises(LayerNotFound), layers.lowers([*chain, absent]):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_image_that_cannot_be_mounted_says_what_to_do(layers: DirLayers, layer: Digest) -> None:
    (layers.directory(layer) / "erofs").write_bytes(bytes(8192))
    with pytest.raises(NotMounted) as caught, layers.lowers([layer]):
        pass
    assert layer.short in str(caught.value)
    assert "convert --layer-form tree" in caught.value.hint
    assert layers.mounted() == []


def test_a_mount_point_without_a_mount_goes_with_its_layer(root: Path, run_directory: Path) -> None:
    """Also where this process may not unmount, and so is not told that it is none."""
    layers = opened(root, run_directory)
    diff_id = layers.ingest([TAR], expected=None).diff_id
    place = LayerMounts(root, directory=run_directory).place(diff_id)
    place.mkdir(parents=True)
    layers.remove(diff_id)
    assert not place.exists()
