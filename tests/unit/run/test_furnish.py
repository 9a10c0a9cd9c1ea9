from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.run.furnish import Furnishing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "hosts").write_text("the image's")
    os.utime(root / "etc", ns=(5, 5))
    os.utime(root, ns=(7, 7))
    return root


@pytest.fixture
def furnishing(root: Path, tmp_path: Path) -> Furnishing:
    (tmp_path / "scratch").mkdir()
    return Furnishing(root, tmp_path / "scratch")


def _file(tmp_path: Path, text: str) -> Path:
    place = tmp_path / "given"
    place.write_text(text)
    return place


def test_what_is_in_the_way_comes_back(root: Path, furnishing: Furnishing, tmp_path: Path) -> None:
    furnishing.put(_file(tmp_path, "ours"), "/etc/hosts")
    furnishing.complete()
    assert (root / "etc/hosts").read_text() == "ours"
    furnishing.clear()
    assert (root / "etc/hosts").read_text() == "the image's"
    assert (root / "etc").stat().st_mtime_ns == 5
    assert not os.listdir(tmp_path / "scratch")


def test_directories_made_on_the_way_go_again(
    root: Path, furnishing: Furnishing, tmp_path: Path
) -> None:
    furnishing.put(_file(tmp_path, "s"), "/run/secrets/s")
    furnishing.complete()
    assert (root / "run/secrets/s").read_text() == "s"
    furnishing.clear()
    assert os.listdir(root) == ["etc"]
    assert root.stat().st_mtime_ns == 7


def test_a_directory_keeps_what_the_command_put_there(
    root: Path, furnishing: Furnishing, tmp_path: Path
) -> None:
    furnishing.put(_file(tmp_path, "s"), "/run/secrets/s")
    furnishing.complete()
    (root / "run/pid").write_text("1")
    changed = (root / "run").stat().st_mtime_ns
    furnishing.clear()
    assert os.listdir(root / "run") == ["pid"]
    assert (root / "run").stat().st_mtime_ns == changed


def test_what_is_to_be_kept_goes_back_with_its_changes(
    root: Path, furnishing: Furnishing, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    furnishing.put(cache, "/c", keep=True)
    furnishing.complete()
    (root / "c/f").write_text("x")
    furnishing.clear()
    assert (cache / "f").read_text() == "x"
    assert not (root / "c").exists()


def test_a_mount_in_a_mount(root: Path, furnishing: Furnishing, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    furnishing.put(cache, "/c", keep=True)
    furnishing.put(_file(tmp_path, "in it"), "/c/d/f")
    furnishing.complete()
    assert (root / "c/d/f").read_text() == "in it"
    furnishing.clear()
    assert not list(cache.iterdir())


def test_a_link_of_the_image_stays_inside(
    root: Path, furnishing: Furnishing, tmp_path: Path
) -> None:
    (root / "l").symlink_to(tmp_path)
    furnishing.put(_file(tmp_path, "x"), "/l/f")
    furnishing.complete()
    assert not (tmp_path / "f").exists()
    assert (root / str(tmp_path)[1:] / "f").read_text() == "x"


def test_a_link_that_the_command_made_is_not_followed(
    root: Path, furnishing: Furnishing, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "hosts").write_text("the host's")
    furnishing.put(_file(tmp_path, "ours"), "/etc/hosts")
    furnishing.complete()
    (root / "etc").rename(root / "old")
    (root / "etc").symlink_to(outside)
    furnishing.clear()
    assert (outside / "hosts").read_text() == "the host's"
