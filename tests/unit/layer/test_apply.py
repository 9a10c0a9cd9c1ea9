"""A tar as a directory tree: what only shows from close by (the rest is in the contract suite)."""

from __future__ import annotations

import hashlib
import os
import stat
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lamina.layer.apply import Applied, Shared, apply_tar
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.tar import TarReader
from lamina.layer.tarwriter import write_tar
from lamina.layer.whiteout import ROOTLESS, Whiteouts, here
from tests.fakes.archives import Member, archive, cut, device, file, folder, hardlink, symlink
from tests.rights import needs_rights, roots_alone

MARKS = here(os.geteuid())


class Place:
    """A directory to apply to, and what came of it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "fs"
        self.extra = base / "extra"
        self.root.mkdir()

    def apply(
        self,
        tar: bytes | Iterable[bytes],
        *,
        whiteouts: Whiteouts = MARKS,
        shared: Shared | None = None,
    ) -> Applied:
        chunks = cut(tar, 5000) if isinstance(tar, bytes) else tar
        reader = TarReader(chunks)
        return apply_tar(reader, self.root, self.extra, whiteouts=whiteouts, shared=shared)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(place: Place, umask: int) -> None:
    modes = (0o644, 0o666, 0o777, 0o4755, 0o2775, 0o600, 0, 0o1777)
    before = os.umask(umask)
    try:
        place.apply(
            archive(
                *(file(f"f{mode:o}", b"x" * (mode % 3), mode=mode) for mode in modes),
                *(folder(f"d{mode:o}", mode=mode | 0o700) for mode in modes),
            )
        )
    finally:
        os.umask(before)
    for mode in modes:
        assert stat.S_IMODE((place.root / f"f{mode:o}").stat().st_mode) == mode
        assert stat.S_IMODE((place.root / f"d{mode:o}").stat().st_mode) == mode | 0o700
    assert stat.S_IMODE(place.root.stat().st_mode) == 0o755


def test_a_closed_directory_can_be_filled(place: Place) -> None:
    place.apply(archive(folder("d", mode=0o555, mtime=9), file("d/f", b"x"), folder("d/e", mode=0)))
    status = (place.root / "d").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o555, 9)
    (place.root / "d").chmod(0o755)


def test_a_directory_named_twice_has_what_came_last(place: Place) -> None:
    place.apply(archive(folder("d", mode=0o700, mtime=1), file("d/f"), folder("d", mtime=2)))
    status = (place.root / "d").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o755, 2)
    assert (place.root / "d/f").exists()


@needs_rights
@roots_alone("trusted attributes")
def test_owners_set_id_bits_and_capabilities_hold_together(place: Place) -> None:
    capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    made = [
        Entry("su", Kind.FILE, 0o6755, 5, 7, 1, 0),
        Entry("ping", Kind.FILE, 0o755, 8, 9, 1, 0, xattrs=(("security.capability", capability),)),
        Entry("dir", Kind.DIRECTORY, 0o2750, 3, 4, 0, 0, xattrs=(("trusted.note", b"\0"),)),
        Entry("link", Kind.SYMLINK, 0o777, 1, 2, 0, 0, "x", xattrs=(("trusted.note", b"l"),)),
    ]
    place.apply(write_tar(made, lambda _: [b"x"]))
    status = (place.root / "su").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (5, 7, 0o6755)
    assert os.getxattr(place.root / "ping", "security.capability") == capability
    status = (place.root / "dir").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (3, 4, 0o2750)
    assert os.getxattr(place.root / "dir", "trusted.note") == b"\0"
    assert os.getxattr(place.root / "link", "trusted.note", follow_symlinks=False) == b"l"
    assert (place.root / "link").lstat().st_uid == 1


@needs_rights
@roots_alone("making devices")
def test_device_nodes(place: Place) -> None:
    place.apply(archive(device("null", 1, 3), device("d/sda", 259, 70000, block=True)))
    null, sda = (place.root / "null").stat(), (place.root / "d/sda").stat()
    assert stat.S_ISCHR(null.st_mode)
    assert null.st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK(sda.st_mode)
    assert sda.st_rdev == os.makedev(259, 70000)


@pytest.mark.parametrize(("major", "minor"), [(1 << 12, 0), (1, 1 << 20), (0o7777777, 1)])
def test_device_numbers_that_linux_does_not_have(place: Place, major: int, minor: int) -> None:
    with pytest.raises(BadLayer, match=f"'odd' is the device {major}:{minor}"):
        place.apply(archive(device("odd", major, minor)))


def test_the_device_that_marks_a_deletion_is_refused(place: Place) -> None:
    with pytest.raises(BadLayer, match="'zero' is the device 0:0"):
        place.apply(archive(device("zero", 0, 0)))


def test_opaque_marks_of_an_ordinary_users_mount(place: Place) -> None:
    place.apply(archive(file("d/.wh..wh..opq"), file("d/.wh.x")), whiteouts=ROOTLESS)
    assert os.getxattr(place.root / "d", "user.overlay.opaque") == b"y"
    assert ROOTLESS.is_whiteout((place.root / "d/x").lstat())


@pytest.mark.parametrize("name", [".wh..wh.aufs", ".wh..wh.plnk", ".wh..wh.orph"])
def test_the_bookkeeping_of_aufs_makes_no_file(place: Place, name: str) -> None:
    applied = place.apply(archive(file(name), file("a")))
    assert os.listdir(place.root) == ["a"]
    assert [entry.path for entry in applied.entries] == [name, "a"]


@pytest.mark.parametrize("name", [".wh..", ".wh...", "d/.wh.."])
def test_a_whiteout_of_a_directory_itself_or_its_parent(place: Place, name: str) -> None:
    with pytest.raises(BadLayer, match="whiteout of"):
        place.apply(archive(file(name)))


def test_what_the_tree_has_no_room_for_goes_to_the_extra_file(place: Place) -> None:
    applied = place.apply(
        archive(
            file("a", b"one"),
            file("b/c", b"two"),
            file("a", b"3"),
            file("b", b"4"),
            file(".wh.x", b"5"),
        )
    )
    kept = place.extra.read_bytes()
    found = {entry.sha256: entry for entry in applied.entries}
    for content in (b"one", b"two", b"5"):
        at = applied.extras[found[hashlib.sha256(content).digest()].offset]
        assert kept[at : at + len(content)] == content
    assert len(kept) == 7
    assert len(applied.extras) == 3


def test_no_extra_file_without_need(place: Place) -> None:
    place.apply(archive(file("a", b"one"), file("b"), file("b", b"x"), symlink("c", "a")))
    assert not place.extra.exists()


def test_hard_links_are_listed_where_their_target_lies(place: Place) -> None:
    applied = place.apply(
        archive(folder("real"), symlink("way", "real"), file("way/f", b"x"), hardlink("h", "way/f"))
    )
    assert [entry.path for entry in applied.entries] == ["real", "way", "real/f", "h"]
    assert applied.entries[3].link == "real/f"
    assert (place.root / "h").stat().st_ino == (place.root / "real/f").stat().st_ino


def test_links_through_links_and_up_again_inside_the_layer(place: Place) -> None:
    applied = place.apply(
        archive(
            folder("a"),
            folder("a/b"),
            symlink("a/b/up", "../.."),
            symlink("in", "a/b/up/a"),
            file("in/b/f", b"x"),
        )
    )
    assert applied.entries[-1].path == "a/b/f"
    assert (place.root / "a/b/f").read_bytes() == b"x"


def test_a_dangling_link_as_parent_makes_the_directory_it_names(place: Place) -> None:
    place.apply(archive(symlink("l", "later/on"), file("l/f", b"x")))
    assert (place.root / "later/on/f").read_bytes() == b"x"
    assert (place.root / "l").is_symlink()


class Known:
    """A `Shared` that has some files, each known by content alone."""

    def __init__(self, directory: Path, contents: Iterable[bytes]) -> None:
        self.directory = directory
        self.taken: list[bytes] = []
        directory.mkdir()
        for content in contents:
            (directory / hashlib.sha256(content).hexdigest()).write_bytes(content)

    def key(self, entry: Entry) -> bytes | None:
        return entry.sha256.hex().encode() if entry.size else None

    def take(self, key: bytes, target: bytes) -> bool:
        known = os.fsencode(self.directory) + b"/" + key
        if not os.path.exists(known):
            return False
        if os.path.exists(target):
            os.unlink(target)
        os.link(known, target)
        self.taken.append(key)
        return True


def test_a_known_file_is_linked_and_an_unknown_one_offered(place: Place, tmp_path: Path) -> None:
    large = b"large" * 10_000
    shared = Known(tmp_path / "known", [b"known", large])
    applied = place.apply(
        archive(file("a", b"known"), file("b", b"new"), file("c", large), file("d")), shared=shared
    )
    for path, content in (("a", b"known"), ("c", large)):
        status = (place.root / path).stat()
        assert status.st_nlink == 2
        assert (place.root / path).read_bytes() == content
    assert applied.offers == {"b": hashlib.sha256(b"new").hexdigest().encode()}


def test_a_file_that_gets_a_second_name_is_neither_taken_nor_offered(
    place: Place, tmp_path: Path
) -> None:
    shared = Known(tmp_path / "known", [b"known"])
    applied = place.apply(
        archive(
            file("a", b"known", mode=0o600, mtime=5),
            hardlink("b", "a"),
            hardlink("c", "b"),
            file("d", b"new"),
            hardlink("e", "d"),
        ),
        shared=shared,
    )
    status = (place.root / "a").stat()
    assert (status.st_nlink, stat.S_IMODE(status.st_mode), status.st_mtime) == (3, 0o600, 5)
    assert (place.root / "c").read_bytes() == b"known"
    assert applied.offers == {}


def test_a_file_that_was_replaced_is_not_offered(place: Place, tmp_path: Path) -> None:
    shared = Known(tmp_path / "known", [])
    members = (file("a", b"1"), file("a", b"22"), file("b", b"3"), folder("b"))
    applied = place.apply(archive(*members), shared=shared)
    assert list(applied.offers) == ["a"]
    assert applied.offers["a"] == hashlib.sha256(b"22").hexdigest().encode()


def test_one_large_file_takes_little_memory(place: Place) -> None:
    size = 96 << 20
    piece = bytes(1 << 18)

    def stream() -> Iterator[bytes]:
        yield from write_tar(
            [Entry("big", Kind.FILE, 0o644, os.getuid(), os.getgid(), size, 0)],
            lambda _: (piece for _ in range(size // len(piece))),
        )

    tracemalloc.start()
    try:
        applied = place.apply(stream())
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert (place.root / "big").stat().st_size == size
    assert applied.entries[0].sha256 == hashlib.sha256(bytes(size)).digest()


def test_an_attribute_that_cannot_be_set_is_named(place: Place) -> None:
    with pytest.raises(BadLayer, match=r"'no\.such\.space' of 'a'"):
        place.apply(archive(Member("a", xattrs=(("no.such.space", "x"),))))
