"""Copies are written whole or not at all, and nowhere but where they were asked for."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lamina.errors import Corrupt
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.leaks.recover import copies, hidden_below, newest_hidden
from lamina.leaks.restore import (
    BadTarget,
    TargetExists,
    restore_file,
    restore_to,
    restore_tree,
)
from lamina.oci.digest import Digest
from tests.fakes.stacks import stack_of, stack_of_files

SECRET = b"\x00key\n" * 400_000


@pytest.fixture(autouse=True)
def umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def gone(path: str = "root/key", content: bytes = SECRET, mode: int = 0o644) -> Stack:
    """An image that ships a file and deletes it."""
    digest = Digest.of(content).raw
    entry = Entry(path, Kind.FILE, mode, 0, 0, len(content), 0, sha256=digest)
    marker = Entry(".wh." + path.partition("/")[0], Kind.FILE, 0, 0, 0, 0, 0)
    listings = [
        Listing(Digest.of(bytes([at])), [each], 0) for at, each in enumerate((entry, marker))
    ]
    return stack_of(listings, contents={id(entry): content})


def restored(stack: Stack, target: Path, path: str = "root/key", *, force: bool = False) -> Path:
    return restore_file(stack, newest_hidden(copies(stack, path)), target, force=force)


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o644, 0o644), (0o600, 0o600), (0o400, 0o400), (0o6777, 0o755), (0, 0)]
)
def test_the_bytes_come_back_with_a_mode_that_gives_nothing_away(
    tmp_path: Path, mode: int, expected: int
) -> None:
    target = restored(gone(mode=mode), tmp_path / "new")
    assert target.stat().st_mode & 0o7777 == expected
    target.chmod(0o600)
    assert target.read_bytes() == SECRET
    assert os.listdir(tmp_path) == ["new"]


def test_into_a_directory_by_its_own_name(tmp_path: Path) -> None:
    assert restored(gone(), tmp_path) == tmp_path / "key"
    odd = gone("root/\udcff\x1b")
    restored(odd, tmp_path, "root/\udcff\x1b")
    assert sorted(os.listdir(os.fsencode(tmp_path))) == [b"key", b"\xff\x1b"]


def test_nothing_is_replaced_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "there"
    target.write_bytes(b"mine")
    with pytest.raises(TargetExists):
        restored(gone(), target)
    assert target.read_bytes() == b"mine"
    restored(gone(), target, force=True)
    assert target.read_bytes() == SECRET


def test_only_a_file_is_replaced_and_no_link_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(outside)
    os.mkfifo(pipe)
    for target in (link, pipe):
        with pytest.raises(BadTarget):
            restored(gone(), target, force=True)
    with pytest.raises(BadTarget, match="there is no directory"):
        restored(gone(), tmp_path / "no" / "where")
    assert outside.read_bytes() == b"mine"


def test_a_damaged_copy_leaves_nothing(tmp_path: Path) -> None:
    entry = Entry("f", Kind.FILE, 0o644, 0, 0, 3, 0, sha256=Digest.of(b"abc").raw)
    listing = Listing(Digest.of(b""), [entry], 0)
    stack = stack_of([listing], contents={id(entry): b"abd"})
    with pytest.raises(Corrupt):
        restored(stack, tmp_path / "f", "f")
    assert os.listdir(tmp_path) == []


def test_to_a_stream() -> None:
    output = io.BytesIO()
    stack = gone()
    restore_to(stack, copies(stack, "root/key")[0], output)
    assert output.getvalue() == SECRET


def tree() -> Stack:
    return stack_of_files([{"a": None, "a/b/c": b"1", "a/d": b"22"}, {".wh.a": b""}])


def test_a_tree(tmp_path: Path) -> None:
    stack = tree()
    assert restore_tree(stack, hidden_below(stack, "a"), "a", tmp_path / "new") == 3
    assert (tmp_path / "new/b/c").read_bytes() == b"1"
    assert (tmp_path / "new/d").read_bytes() == b"22"
    with pytest.raises(TargetExists):
        restore_tree(stack, hidden_below(stack, "a"), "a", tmp_path / "new")
    restore_tree(stack, hidden_below(stack, ""), "", tmp_path / "all")
    assert (tmp_path / "all/a/b/c").exists()


@pytest.mark.parametrize("place", ["b", "d"])
def test_a_tree_does_not_leave_its_directory(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / place).symlink_to(outside)
    stack = tree()
    with pytest.raises(BadTarget):
        restore_tree(stack, hidden_below(stack, "a"), "a", tmp_path / "new", force=True)
    assert os.listdir(outside) == []


def test_files_that_share_a_name_are_no_danger_to_temporary_ones(tmp_path: Path) -> None:
    stack = stack_of_files([{"a": None, "a/.lamina-": b"1"}, {".wh.a": b""}])
    restore_tree(stack, hidden_below(stack, "a"), "a", tmp_path)
    assert os.listdir(tmp_path) == [".lamina-"]
