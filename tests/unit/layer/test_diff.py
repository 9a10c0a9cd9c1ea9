"""An upper directory read as the entries of a layer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.layer.diff import changes
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.whiteout import ROOTLESS, here
from lamina.store.trash import delete_tree
from tests.rights import roots_alone

MARKS = here(os.geteuid())


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    place = tmp_path / "upper"
    place.mkdir()
    return place


def read(upper: Path) -> dict[str, Entry]:
    entries = list(changes(upper, whiteouts=MARKS))
    assert len({entry.path for entry in entries}) == len(entries)
    return {entry.path: entry for entry in entries}


def test_nothing_changed(upper: Path) -> None:
    assert read(upper) == {}


def test_every_kind_of_file(upper: Path) -> None:
    (upper / "file").write_bytes(b"12345")
    (upper / "file").chmod(0o4711)
    (upper / "dir").mkdir()
    (upper / "dir").chmod(0o1777)
    os.symlink("\udcff/there", upper / "link")
    os.mkfifo(upper / "fifo")
    (upper / "fifo").chmod(0o622)
    found = read(upper)
    owner = (os.getuid(), os.getgid())
    assert {path: (e.kind, e.mode, e.size, e.link) for path, e in found.items()} == {
        "dir": (Kind.DIRECTORY, 0o1777, 0, ""),
        "fifo": (Kind.FIFO, 0o622, 0, ""),
        "file": (Kind.FILE, 0o4711, 5, ""),
        "link": (Kind.SYMLINK, 0o777, 0, "\udcff/there"),
    }
    assert all((entry.uid, entry.gid) == owner for entry in found.values())
    assert all((entry.sha256, entry.offset) == (b"", 0) for entry in found.values())


@roots_alone("making devices")
def test_devices_and_owners(upper: Path) -> None:
    os.mknod(upper / "null", 0o020666, os.makedev(1, 3))
    os.mknod(upper / "disk", 0o060660, os.makedev(259, 1))
    os.chown(upper / "null", 3_000_000_000, 7)
    found = read(upper)
    assert (found["null"].kind, found["null"].device) == (Kind.CHAR, (1, 3))
    assert (found["null"].uid, found["null"].gid) == (3_000_000_000, 7)
    assert (found["disk"].kind, found["disk"].device) == (Kind.BLOCK, (259, 1))


def test_parents_come_first_and_names_are_sorted_by_their_bytes(upper: Path) -> None:
    for path in ("b/x", "b-", "b.", "B", "é", "b/a", "a"):
        (upper / path).parent.mkdir(exist_ok=True)
        (upper / path).touch()
    assert list(read(upper)) == ["B", "a", "b", "b/a", "b/x", "b-", "b.", "é"]


def test_times_are_whole_seconds_also_before_1970(upper: Path) -> None:
    for name, time in (("after", 1_500_000_001), ("before", -500_000_000)):
        (upper / name).touch()
        os.utime(upper / name, ns=(time, time))
    found = read(upper)
    assert (found["after"].mtime, found["before"].mtime) == (1_000_000_000, -1_000_000_000)


def test_whiteouts_and_opaque_directories_are_markers(upper: Path) -> None:
    (upper / "dir").mkdir()
    MARKS.hide_lower(os.fsencode(upper / "dir"))
    MARKS.delete(os.fsencode(upper / "dir/gone"))
    MARKS.delete(os.fsencode(upper / "top"))
    found = read(upper)
    assert list(found) == ["dir", "dir/.wh..wh..opq", "dir/.wh.gone", ".wh.top"]
    assert found["dir/.wh..wh..opq"].is_opaque_marker
    assert found["dir/.wh.gone"].whiteout_of == "dir/gone"
    assert found[".wh.top"].whiteout_of == "top"
    assert all(entry.kind is Kind.FILE for path, entry in found.items() if path != "dir")
    assert found["dir"].xattrs == ()


def test_the_marks_of_an_ordinary_users_mount(upper: Path) -> None:
    (upper / "dir").mkdir()
    ROOTLESS.hide_lower(os.fsencode(upper / "dir"))
    paths = [entry.path for entry in changes(upper, whiteouts=ROOTLESS)]
    assert paths == ["dir", "dir/.wh..wh..opq"]


def test_attributes_are_kept_but_for_overlayfs_own(upper: Path) -> None:
    (upper / "f").touch()
    os.setxattr(upper / "f", "user.b", b"\0\xff")
    os.setxattr(upper / "f", "user.a", b"")
    os.setxattr(upper / "f", "user.overlay.origin", b"x")
    assert read(upper)["f"].xattrs == (("user.a", b""), ("user.b", b"\0\xff"))


def test_the_first_name_of_an_inode_has_the_content(upper: Path, tmp_path: Path) -> None:
    (upper / "d").mkdir()
    (upper / "d/z").write_bytes(b"data")
    os.link(upper / "d/z", upper / "d/y")
    os.link(upper / "d/z", upper / "e")
    (upper / "alone").write_bytes(b"data")
    os.link(upper / "alone", tmp_path / "elsewhere")
    os.symlink("t", upper / "s")
    os.link(upper / "s", upper / "s2", follow_symlinks=False)
    found = read(upper)
    assert (found["d/y"].kind, found["d/y"].size) == (Kind.FILE, 4)
    for path in ("d/z", "e"):
        assert (found[path].kind, found[path].link, found[path].size) == (Kind.HARDLINK, "d/y", 0)
    assert found["alone"].kind is Kind.FILE
    assert (found["s"].kind, found["s2"].kind) == (Kind.SYMLINK, Kind.HARDLINK)


def test_sockets_are_left_out_and_told_of(upper: Path) -> None:
    (upper / "d").mkdir()
    fd = os.open(upper / "d", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{fd}/s")
    os.close(fd)
    told: list[str] = []
    entries = list(changes(upper, whiteouts=MARKS, sockets=told.append))
    assert [entry.path for entry in entries] == ["d"]
    assert told == ["d/s"]


def deepen(upper: Path, name: str, times: int) -> None:
    """Nest directories, by short ways: the whole path may be longer than one may be."""
    fd = os.open(upper, os.O_RDONLY)
    for _ in range(times):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def test_depth_is_no_matter(upper: Path) -> None:
    deepen(upper, "d", 1500)
    assert [entry.path.count("/") for entry in changes(upper)] == list(range(1500))
    _delete(upper)


def test_a_path_that_is_too_long_is_named(upper: Path) -> None:
    deepen(upper, "n" * 200, 30)
    with pytest.raises(BadLayer, match=r"a name of [0-9]+ bytes: …'nnn"):
        list(changes(upper))
    _delete(upper)


def _delete(upper: Path) -> None:
    """pytest's own clean-up recurses, and gives up."""
    delete_tree(upper)


MAKERS: list[Callable[[Path], object]] = [Path.touch, Path.mkdir]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", [".wh.x", ".wh..wh..opq", "d/.wh.x"])
def test_a_file_named_like_a_marker_is_refused(
    upper: Path, make: Callable[[Path], object], name: str
) -> None:
    (upper / name).parent.mkdir(exist_ok=True)
    make(upper / name)
    with pytest.raises(BadLayer, match="means a deletion") as caught:
        list(changes(upper))
    assert repr(name) in str(caught.value)
