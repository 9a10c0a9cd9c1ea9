"""Volumes: made, found, adopted, and removed by several processes at once."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.store.volumes import (
    DirVolumes,
    NoSuchDriver,
    Volume,
    VolumeDamaged,
    VolumeDiffers,
    VolumeNotFound,
)


def volumes_in(root: Path) -> DirVolumes:
    (root / "containers").mkdir()
    return DirVolumes(root)


def filled(volumes: DirVolumes, name: str) -> None:
    volumes.make(Volume(name))
    for number in range(30):
        (volumes.data(name) / str(number)).mkdir()


def test_removals_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    volumes = volumes_in(tmp_path)
    names = [f"volume-{number}" for number in range(24)]
    for name in names:
        filled(volumes, name)
    with ThreadPoolExecutor(8) as pool:
        assert all(freed > 0 for freed in pool.map(volumes.remove, names))
    assert os.listdir(tmp_path / "volumes") == []


def test_what_a_killed_removal_left_goes_with_the_next(tmp_path: Path) -> None:
    volumes = volumes_in(tmp_path)
    for name in ("left", "busy", "third"):
        filled(volumes, name)
    place = tmp_path / "volumes"
    (place / "left").rename(place / ".gone-left")
    (place / "busy").rename(place / ".gone-busy")
    held = os.open(place / ".gone-busy", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    volumes.remove("third")
    os.close(held)
    assert os.listdir(place) == [".gone-busy"]


def test_made_found_and_removed(tmp_path: Path) -> None:
    volumes = volumes_in(tmp_path)
    made = volumes.make(Volume("a-b", "2026-01-01T00:00:00Z", {"k": "v"}))
    assert volumes.find("a-b") == made
    assert volumes.make(Volume("a-b", "later")) == made, "what is there stays as it is"
    assert list(volumes) == [made]
    assert volumes.data("a-b").stat().st_mode & 0o777 == 0o755
    volumes.remove("a-b")
    for name in ("a-b", "", "..", ".new-x", "a/b"):
        with pytest.raises(VolumeNotFound):
            volumes.find(name)


def test_other_options_are_another_volume(tmp_path: Path) -> None:
    volumes = volumes_in(tmp_path)
    volumes.make(Volume("one", options={"type": "tmpfs"}))
    with pytest.raises(VolumeDiffers):
        volumes.make(Volume("one", options={"type": "none", "device": "/x", "o": "bind"}))
    for options in ({"type": "nfs"}, {"type": "none"}, {"type": "none", "device": "x"}, {"x": "y"}):
        with pytest.raises(NoSuchDriver):
            volumes.make(Volume("other", options=options))
    assert [volume.name for volume in volumes] == ["one"]


def test_a_damaged_record_hides_no_files(tmp_path: Path) -> None:
    volumes = volumes_in(tmp_path)
    filled(volumes, "torn")
    record = tmp_path / "volumes" / "torn" / "volume.json"
    record.write_bytes(record.read_bytes().replace(b"torn", b"t0rn"))
    with pytest.raises(VolumeDamaged):
        volumes.find("torn")
    assert list(volumes) == [Volume("torn")]
    assert volumes.remove("torn") > 0


def test_a_volume_of_an_earlier_version_keeps_its_files(tmp_path: Path) -> None:
    volumes = volumes_in(tmp_path)
    old = tmp_path / "volumes" / "old"
    (old / "deep").mkdir(parents=True)
    (old / "deep" / "file").write_text("kept")
    assert volumes.find("old") == Volume("old")
    assert (volumes.data("old") / "deep" / "file").read_text() == "kept"
    assert volumes.find("old") == Volume("old"), "and is one of ours from then on"
