"""COPY and ADD laid over layers, without a mount."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from lamina.build.copying import Copier
from lamina.build.graph import CopyOp, CopySource, Document
from lamina.build.merged import LayersTree
from lamina.build.reading import Origin, read
from lamina.build.upper import InTheWay, Upper
from lamina.context.directory import Context
from lamina.dockerfile.ignore import Ignore
from lamina.layer.contract import Listing
from lamina.layer.diff import changes
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.union import Union
from lamina.oci.digest import Digest
from lamina.store.layers import DirLayers

NOW = 5_000_000_000
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to others")


def directory(path: str, mode: int = 0o755, uid: int = 0, mtime: int = 3) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode, uid, uid, 0, mtime * 10**9)


BELOW = (
    directory("etc"),
    Entry("etc/file", Kind.FILE, 0o600, 0, 0, 0, 0),
    directory("home"),
    directory("home/user", 0o700, 1000, 7),
    directory("srv"),
    Entry("srv/link", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "../home/user"),
    Entry("srv/file", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "/etc/file"),
    directory("usr"),
    directory("usr/lib"),
    Entry("lib", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "usr/lib"),
)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Some files to copy."""
    place = tmp_path / "context"
    (place / "dir" / "sub").mkdir(parents=True)
    (place / "dir" / "sub").chmod(0o711)
    (place / "dir").chmod(0o750)
    (place / "dir" / "sub" / "x").write_text("x")
    (place / "dir" / "ln").symlink_to("sub/x")
    (place / "a").write_text("a")
    (place / "a").chmod(0o640)
    os.utime(place / "a", (11, 11))
    (place / "b").write_text("bb")
    return place


def copied(
    context: Path,
    dest: str,
    *sources: str,
    owner: tuple[int, int] | None = None,
    mode: str = "",
    documents: tuple[Document, ...] = (),
    unpack: bool = False,
    parents: bool = False,
    exclude: tuple[str, ...] = (),
    below: Sequence[Entry] = BELOW,
    origin: Origin | None = None,
) -> dict[str, Entry]:
    """What the layer has after a COPY over `below`, by path."""
    upper_directory = context.parent / "upper"
    upper_directory.mkdir()
    view = LayersTree(
        Union.of([Listing(Digest.of(b""), tuple(below), 0)]), DirLayers(context.parent), ()
    )
    upper = Upper(upper_directory, view, now=NOW)
    tree = Context(context, Ignore())
    origin = origin or Origin(lambda: tree)
    op = CopyOp(
        tuple(CopySource(source, unpack=unpack) for source in sources),
        dest,
        documents,
        mode=mode,
        parents=parents,
        exclude=exclude,
    )
    Copier(op, upper, owner, NOW).run([read(op, each, origin) for each in op.sources])
    return {entry.path: entry for entry in changes(upper_directory)}


def test_a_file_takes_the_name_of_the_destination(context: Path) -> None:
    found = copied(context, "/etc/new", "a")
    assert list(found) == ["etc", "etc/new"]
    assert found["etc/new"].mode == 0o640
    assert found["etc/new"].mtime == 11 * 10**9
    assert (context.parent / "upper" / "etc" / "new").read_text() == "a"


def test_a_file_goes_into_a_directory(context: Path) -> None:
    assert list(copied(context, "/etc", "a")) == ["etc", "etc/a"]


def test_a_link_in_a_directory_is_replaced(context: Path) -> None:
    (context / "a").rename(context / "file")
    assert list(copied(context, "/srv/", "file")) == ["srv", "srv/file"]


def test_a_slash_makes_the_directory(context: Path) -> None:
    found = copied(context, "/x/y/", "a", "b")
    assert list(found) == ["x", "x/y", "x/y/a", "x/y/b"]
    assert (found["x"].mode, found["x"].mtime) == (0o755, NOW)


def test_parents_look_as_in_the_merged_view(context: Path) -> None:
    found = copied(context, "/home/user/f", "a")
    assert found["home/user"] == directory("home/user", 0o700, 1000, 7)
    assert found["home"].mtime == 3 * 10**9


def test_the_destination_is_resolved_inside_the_root(context: Path) -> None:
    assert list(copied(context, "/srv/link/", "a")) == ["home", "home/user", "home/user/a"]


def test_a_link_to_a_file_is_written_through(context: Path) -> None:
    assert list(copied(context, "/srv/file", "a")) == ["etc", "etc/file"]


def test_a_directory_gives_its_contents(context: Path) -> None:
    found = copied(context, "/new", "dir")
    assert list(found) == ["new", "new/ln", "new/sub", "new/sub/x"]
    assert found["new"].mode == 0o755
    assert found["new/sub"].mode == 0o711
    assert (found["new/ln"].kind, found["new/ln"].link) == (Kind.SYMLINK, "sub/x")


def test_an_existing_destination_keeps_its_metadata(context: Path) -> None:
    assert copied(context, "/home/user", "dir")["home/user"].mode == 0o700


def test_the_whole_context_into_the_root(context: Path) -> None:
    assert set(copied(context, "/", ".")) == {"a", "b", "dir", "dir/ln", "dir/sub", "dir/sub/x"}


def test_owner_and_mode_are_for_all(context: Path) -> None:
    found = copied(context, "/new/", "dir", "a", owner=(5, 6), mode="0700")
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(5, 6)}
    modes = {entry.mode for path, entry in found.items() if path not in ("new", "new/ln")}
    assert modes == {0o700}


def test_documents(context: Path) -> None:
    found = copied(context, "/etc/conf", documents=(Document("E", "text\n"),))
    assert found["etc/conf"].mode == 0o644
    assert (context.parent / "upper" / "etc" / "conf").read_text() == "text\n"


def test_a_directory_over_a_link_is_refused(context: Path) -> None:
    (context / "tree" / "lib").mkdir(parents=True)
    with pytest.raises(InTheWay, match="/lib is not a directory"):
        copied(context, "/", "tree")


def test_a_file_over_a_directory_is_refused(context: Path) -> None:
    (context / "tree").mkdir()
    (context / "tree" / "home").write_text("")
    with pytest.raises(InTheWay, match="/home is a directory"):
        copied(context, "/", "tree")


def test_a_directory_below_a_file_is_refused(context: Path) -> None:
    with pytest.raises(InTheWay, match="/etc/file is not a directory"):
        copied(context, "/etc/file/x", "a")


def archive(context: Path, *, form: str) -> None:
    with tarfile.open(context / "t", f"w:{form}") as tar:  # type: ignore[call-overload]
        for name in ("top", "top/in"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            member.mode = 0o710
            tar.addfile(member)
        member = tarfile.TarInfo("top/in/f")
        member.size, member.mtime, member.uid = 3, 9, 42
        tar.addfile(member, io.BytesIO(b"abc"))
        member = tarfile.TarInfo("top/hard")
        member.type, member.linkname = tarfile.LNKTYPE, "top/in/f"
        tar.addfile(member)


@pytest.mark.parametrize("form", ["", "gz", "bz2", "xz"])
def test_add_unpacks_archives(context: Path, form: str) -> None:
    archive(context, form=form)
    found = copied(context, "/new", "t", unpack=True)
    assert set(found) == {"new", "new/top", "new/top/hard", "new/top/in", "new/top/in/f"}
    assert found["new/top"].mode == 0o710
    hard = found["new/top/hard"]
    assert (hard.size, hard.uid, hard.mtime) == (3, 42, 9 * 10**9)
    assert found["new/top/in/f"].link == "new/top/hard"


def test_copy_does_not_unpack(context: Path) -> None:
    archive(context, form="gz")
    assert list(copied(context, "/new", "t")) == ["new"]


def test_add_of_something_else_copies(context: Path) -> None:
    assert list(copied(context, "/new", "a", unpack=True)) == ["new"]


@pytest.mark.parametrize("name", ["trusted.overlay.opaque", "user.overlay.redirect"])
def test_an_archive_that_speaks_to_overlayfs_is_refused(context: Path, name: str) -> None:
    with tarfile.open(context / "t", "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("d")
        member.type, member.pax_headers = tarfile.DIRTYPE, {f"SCHILY.xattr.{name}": "y"}
        tar.addfile(member)
    with pytest.raises(BadLayer, match="'d' carries overlayfs' own attribute"):
        copied(context, "/new/", "t", unpack=True)


def test_an_archive_with_a_whiteout_device_is_refused(context: Path) -> None:
    with tarfile.open(context / "t", "w") as tar:
        member = tarfile.TarInfo("gone")
        member.type = tarfile.CHRTYPE
        tar.addfile(member)
    with pytest.raises(BadLayer, match="device 0:0"):
        copied(context, "/new/", "t", unpack=True)


def test_an_archive_follows_links_inside_the_root_only(context: Path) -> None:
    with tarfile.open(context / "t", "w") as tar:
        member = tarfile.TarInfo("up")
        member.type, member.linkname = tarfile.SYMTYPE, "/../../etc"
        tar.addfile(member)
        member = tarfile.TarInfo("up/evil")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    found = copied(context, "/new/", "t", unpack=True)
    assert set(found) == {"etc", "etc/evil", "new", "new/up"}
