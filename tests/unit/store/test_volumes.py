"""Volumes that several processes remove at once."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lamina.store.volumes import DirVolumes, Volume


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
