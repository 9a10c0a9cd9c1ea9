from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lamina.build.stamps import Stamps, Touched


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.stamps = Stamps(os.fsencode(root) + b"/")

    def touched(self) -> Touched:
        return self.stamps.touched()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in ("d/e/f", "d/g", "h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = Tree(tmp_path)
    found.stamps.take()
    return found


def seen(touched: Touched) -> set[str]:
    return {path for path, _ in touched.seen}


def test_nothing_is_touched_by_reading(tree: Tree) -> None:
    (tree.root / "h").read_text()
    assert tree.touched() == ([], set(), set(), set())


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("x"),
        lambda path: path.chmod(0o600),
        lambda path: os.utime(path, ns=(1, 1)),
        lambda path: os.setxattr(path, "user.x", b"y"),
    ],
)
def test_each_kind_of_change_is_seen(tree: Tree, change: object) -> None:
    before = (tree.root / "h").stat()
    assert callable(change)
    change(tree.root / "h")
    os.utime(tree.root / "h", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert seen(tree.touched()) == {"h"}


def test_it_is_told_once(tree: Tree) -> None:
    (tree.root / "h").write_text("x")
    tree.touched()
    assert not tree.touched().seen


def test_what_is_gone_is_told_at_its_top(tree: Tree) -> None:
    (tree.root / "d/e/f").unlink()
    (tree.root / "d/e").rmdir()
    assert tree.touched().gone == {"d/e"}


def test_a_directory_made_anew_is_another_even_with_the_same_number(tree: Tree) -> None:
    (tree.root / "d/e/f").unlink()
    (tree.root / "d/e").rmdir()
    time.sleep(0.02)  # a tick of the kernel's clock
    (tree.root / "d/e").mkdir()  # ext4 gives it the number that has just become free
    touched = tree.touched()
    assert touched.replaced == {"d/e"}
    assert not touched.gone


def test_what_is_moved_into_a_new_directory_is_new_there(tree: Tree) -> None:
    (tree.root / "d").rename(tree.root / "old")
    (tree.root / "d").mkdir()
    (tree.root / "old/e").rename(tree.root / "d/e")
    touched = tree.touched()
    assert touched.replaced == {"d"}
    assert {"d/e", "d/e/f"} <= touched.fresh
    assert {"d", "d/e", "d/e/f", "old", "old/g"} <= seen(touched)


def test_a_file_in_the_place_of_a_directory_needs_no_more(tree: Tree) -> None:
    (tree.root / "d").rename(tree.root / "old")
    (tree.root / "d").write_text("file")
    touched = tree.touched()
    assert "d" in seen(touched)
    assert not touched.gone
