"""Paths resolved inside a root: nothing leads out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.linux.rooted import exists_in, make_in, open_in, resolve_in


@pytest.fixture
def place(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "a" / "b").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (inside / "abs").symlink_to("/a")
    (inside / "up").symlink_to("../../../../a/b")
    (inside / "out").symlink_to(tmp_path / "outside")
    (inside / "circle").symlink_to("circle")
    (inside / "dangling").symlink_to("/new/place")
    (inside / "magic").symlink_to("/proc/self/root")
    return inside


@pytest.fixture
def root(place: Path) -> Iterator[int]:
    fd = os.open(place, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", []),
        ("a/./b/..", ["a"]),
        ("/../../a", ["a"]),
        ("abs/b", ["a", "b"]),
        ("up", ["a", "b"]),
        ("dangling/x", ["new", "place", "x"]),
        ("missing/../a", ["a"]),
    ],
)
def test_resolve(root: int, path: str, expected: list[str]) -> None:
    assert resolve_in(root, path) == expected


def test_a_circle_is_an_error(root: int) -> None:
    with pytest.raises(OSError, match="Too many"):
        resolve_in(root, "circle")


def test_what_the_kernel_opens_agrees(place: Path, root: int) -> None:
    for path in ("abs/b", "up", "/../a/b"):
        fd = open_in(root, path)
        assert os.path.samestat(os.fstat(fd), (place / "a" / "b").stat())
        os.close(fd)
    assert not exists_in(root, "out"), "the host's path means nothing in here"
    assert exists_in(root, "a")


def test_make_follows_links_and_stays_inside(place: Path, root: int) -> None:
    for path in ("dangling/x", "abs/c", "out/y", "/../../z"):
        os.close(make_in(root, path, directory=True))
    os.close(make_in(root, "files/one", directory=False))
    assert (place / "new" / "place" / "x").is_dir()
    assert (place / "a" / "c").is_dir()
    assert (place / "z").is_dir()
    assert (place / "files" / "one").read_bytes() == b""
    assert list((place.parent / "outside").iterdir()) == []


def test_make_returns_what_is_there_already(place: Path, root: int) -> None:
    (place / "file").write_text("x")
    os.close(make_in(root, "file", directory=True))
    assert (place / "file").read_text() == "x"


def test_a_file_in_the_way(place: Path, root: int) -> None:
    (place / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        make_in(root, "file/below", directory=True)
