"""COPY and ADD laid over layers, without a mount."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from lamina.context.directory import Context
from lamina.context.errors import ContextChanged
from lamina.copying.copier import Copier
from lamina.copying.merged import LayersTree
from lamina.copying.reading import Origin, read
from lamina.copying.upper import BadName, InTheWay, Upper
from lamina.dockerfile.ignore import Ignore
from lamina.layer.contract import Listing
from lamina.layer.diff import changes
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.union import Union
from lamina.layer.whiteout import here
from lamina.oci.digest import Digest
from lamina.plan.graph import CopyOp, CopySource, Document
from lamina.store.layers import DirLayers
from tests.rights import needs_rights, roots_alone

NOW = 5_000_000_000
pytestmark = needs_rights


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
    marks = here(os.geteuid())
    upper = Upper(upper_directory, view, now=NOW, whiteouts=marks)
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
    return {entry.path: entry for entry in changes(upper_directory, whiteouts=marks)}


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


# what is made on the way, and metadata


def test_what_is_made_is_roots_whatever_the_source_is(context: Path) -> None:
    (context / "dir").chmod(0o1711)
    os.chown(context / "dir", 3, 4)
    found = copied(context, "/p/new/", "dir")
    assert [(found[path].mode, found[path].uid) for path in ("p", "p/new")] == [(0o755, 0)] * 2


def test_an_octal_mode_is_for_what_is_made_too(context: Path) -> None:
    found = copied(context, "/p/new", "dir", mode="2750", owner=(5, 6))
    assert {path: found[path].mode for path in ("p", "p/new", "p/new/sub")} == {
        "p": 0o750,
        "p/new": 0o750,
        "p/new/sub": 0o2750,
    }
    assert found["p"].uid == 5


def test_symbols_are_applied_to_each_mode(context: Path) -> None:
    (context / "b").chmod(0o700)
    found = copied(context, "/p/", "dir", "a", "b", mode="u=rwX,go=rX")
    modes = {path: found[path].mode for path in found if path != "p/ln"}
    assert modes == {
        "p": 0o755,
        "p/a": 0o644,
        "p/b": 0o755,
        "p/sub": 0o755,
        "p/sub/x": 0o644,
    }


def test_set_id_bits_stay_with_another_owner(context: Path) -> None:
    (context / "a").chmod(0o6755)
    assert copied(context, "/p/", "a", owner=(5, 6))["p/a"].mode == 0o6755


def test_the_last_of_several_files_stays(context: Path) -> None:
    assert list(copied(context, "/new", "a", "b")) == ["new"]
    assert (context.parent / "upper" / "new").read_text() == "bb"


def test_a_wildcard_without_a_match_makes_nothing(context: Path) -> None:
    assert copied(context, "/new/", "nosuch*") == {}


def test_a_link_to_nothing_is_made_something(context: Path) -> None:
    below = (*BELOW, Entry("opt", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "/usr/local/opt"))
    found = copied(context, "/opt/x", "a", below=below)
    assert list(found) == ["usr", "usr/local", "usr/local/opt", "usr/local/opt/x"]


def test_a_file_below_a_file(context: Path) -> None:
    with pytest.raises(InTheWay, match="/etc/file is not a directory"):
        copied(context, "/etc/file/x", "a")


def test_a_name_that_is_too_long(context: Path) -> None:
    with pytest.raises(BadName, match="not a path"):
        copied(context, f"/{'n' * 256}", "a")
    (context.parent / "upper").rmdir()
    assert list(copied(context, f"/{'n' * 255}", "a")) == ["n" * 255]


def test_names_that_are_no_text(context: Path) -> None:
    (Path(os.fsdecode(os.fsencode(context) + b"/dir/\xff\xfe"))).write_text("x")
    assert "new/\udcff\udcfe" in copied(context, "/new", "dir")


@roots_alone("making devices")
def test_what_is_no_file(context: Path) -> None:
    os.mkfifo(context / "dir" / "pipe", 0o620)
    os.mknod(context / "dir" / "null", 0o020666, os.makedev(1, 3))
    found = copied(context, "/new", "dir", owner=(5, 6))
    assert (found["new/pipe"].kind, found["new/pipe"].uid) == (Kind.FIFO, 5)
    assert (found["new/null"].kind, found["new/null"].device) == (Kind.CHAR, (1, 3))


def test_holes_are_zeros(context: Path) -> None:
    with (context / "hole").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x")
    found = copied(context, "/new", "hole")
    assert found["new"].size == 1 << 20
    assert (context.parent / "upper/new").read_bytes() == (context / "hole").read_bytes()


def test_names_of_one_file_stay_names_of_one_file(context: Path) -> None:
    os.link(context / "a", context / "dir" / "other")
    os.link(context / "a", context / "dir" / "sub" / "third")
    found = copied(context, "/new", "dir")
    assert (found["new/other"].kind, found["new/other"].size) == (Kind.FILE, 1)
    assert found["new/sub/third"].link == "new/other"


def test_two_sources_do_not_share_a_file(context: Path) -> None:
    os.link(context / "a", context / "c")
    found = copied(context, "/new/", "a", "c")
    assert {found[path].kind for path in ("new/a", "new/c")} == {Kind.FILE}


def test_directories_that_are_there_take_what_comes(context: Path) -> None:
    below = (*BELOW, directory("home/user/sub", 0o700, 1000, 7), directory("home/user/keep"))
    found = copied(context, "/home/user", "dir", below=below)
    assert (found["home/user/sub"].mode, found["home/user/sub"].uid) == (0o711, 0)
    assert found["home/user"] == directory("home/user", 0o700, 1000, 7)


# --parents and --exclude


def test_parents_are_like_the_sources(context: Path) -> None:
    found = copied(context, "/new/", "dir/sub/x", parents=True)
    assert {path: entry.mode for path, entry in found.items()} == {
        "new": 0o755,
        "new/dir": 0o750,
        "new/dir/sub": 0o711,
        "new/dir/sub/x": found["new/dir/sub/x"].mode,
    }


def test_parents_that_are_there_take_the_mode_alone(context: Path) -> None:
    below = (*BELOW, directory("dir", 0o700, 1000, 7))
    for source, taken in (("dir/sub", (0o750, 1000)), ("dir", (0o750, 0))):
        found = copied(context, "/", source, parents=True, below=below)
        assert (found["dir"].mode, found["dir"].uid) == taken
        shutil.rmtree(context.parent / "upper")


def test_parents_begin_at_the_pivot(context: Path) -> None:
    assert list(copied(context, "/n/", "dir/./sub/x", parents=True)) == ["n", "n/sub", "n/sub/x"]


def test_what_is_excluded_is_not_there(context: Path) -> None:
    assert list(copied(context, "/n", "dir", exclude=("sub",))) == ["n", "n/ln"]
    shutil.rmtree(context.parent / "upper")
    assert list(copied(context, "/n", "dir", exclude=("**",))) == ["n"]


# archives


def packed(context: Path, *members: tuple[str, bytes, str]) -> None:
    """The archive `t`: name, type, and link target or content of each member."""
    with tarfile.open(context / "t", "w") as tar:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type, member.mtime = kind, 9
            content = text.encode() if kind == tarfile.REGTYPE else b""
            member.linkname = "" if content else text
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_an_archive_replaces_what_is_in_its_way(context: Path) -> None:
    old = Entry("d/dir", Kind.FILE, 0o644, 0, 0, 0, 0)
    below = (*BELOW, directory("d"), directory("d/file"), directory("d/file/in"), old)
    packed(
        context,
        ("file", tarfile.REGTYPE, "now a file"),
        ("dir", tarfile.DIRTYPE, ""),
        ("dir/x", tarfile.REGTYPE, "x"),
    )
    found = copied(context, "/d", "t", unpack=True, below=below)
    assert [found[path].kind for path in ("d/file", "d/dir", "d/dir/x")] == [
        Kind.FILE,
        Kind.DIRECTORY,
        Kind.FILE,
    ]
    assert "d/file/in" not in found


def test_what_an_archive_replaces_twice_hides_what_was_there(context: Path) -> None:
    below = (*BELOW, directory("d"), directory("d/x"), directory("d/x/old"))
    packed(
        context,
        ("x", tarfile.REGTYPE, "a file"),
        ("x", tarfile.DIRTYPE, ""),
        ("x/new", tarfile.REGTYPE, "new"),
    )
    found = copied(context, "/d", "t", unpack=True, below=below)
    assert list(found) == ["d", "d/x", "d/x/.wh..wh..opq", "d/x/new"]


def test_an_archive_takes_the_owner_that_is_asked_for(context: Path) -> None:
    packed(context, ("top", tarfile.DIRTYPE, ""), ("top/in/f", tarfile.REGTYPE, "x"))
    found = copied(context, "/new", "t", unpack=True, owner=(5, 6), mode="0600")
    assert {path: (entry.uid, entry.mode) for path, entry in found.items()} == {
        "new": (5, 0o755),
        "new/top": (5, 0o644),
        "new/top/in": (0, 0o755),  # the archive has no entry for it
        "new/top/in/f": (5, 0o644),
    }


def test_hard_links_of_archives(context: Path) -> None:
    packed(context, ("one", tarfile.REGTYPE, "x"), ("two", tarfile.LNKTYPE, "one"))
    assert copied(context, "/n/", "t", unpack=True)["n/two"].link == "n/one"
    shutil.rmtree(context.parent / "upper")
    packed(context, ("two", tarfile.LNKTYPE, "nosuch"))
    with pytest.raises(BadLayer, match="hard link to 'nosuch', which is no file"):
        copied(context, "/n/", "t", unpack=True)


@pytest.mark.parametrize("content", [b"", b"short", bytes(10240), b"\x1f\x8b\x08broken" * 100])
def test_what_is_no_archive_is_copied(context: Path, content: bytes) -> None:
    (context / "t").write_bytes(content)
    copied(context, "/n", "t", unpack=True)
    assert (context.parent / "upper" / "n").read_bytes() == content


def test_an_archive_that_climbs_out_is_one_all_the_same(context: Path) -> None:
    packed(context, ("../../out", tarfile.REGTYPE, "x"))
    with pytest.raises(BadLayer):
        copied(context, "/n/", "t", unpack=True)


def left(context: Path, now: int) -> tuple[Upper, Entry]:
    """A file of the context that was left, in a build that began at `now`."""
    directory = context.parent / "left"
    directory.mkdir()
    tree = Context(context, Ignore())
    source = tree.lookup("b")
    assert source is not None
    upper = Upper(directory, tree, now=now, leaves=True)
    entry = msgspec.structs.replace(source, sha256=tree.digest(source))
    assert upper.leave_file("b", entry, tree, source)
    return upper, entry


def test_a_file_that_was_left_is_sure_to_be_what_was_hashed(context: Path) -> None:
    upper, entry = left(context, (context / "b").stat().st_ctime_ns + 10**9)
    assert upper.write(entry)
    assert (context.parent / "left" / "b").read_text() == "bb"


def test_a_file_that_is_as_young_as_the_build_is_not(context: Path) -> None:
    upper, entry = left(context, (context / "b").stat().st_ctime_ns)
    assert not upper.write(entry)


def test_a_file_that_was_left_must_not_change(context: Path) -> None:
    upper, entry = left(context, NOW)
    (context / "b").write_text("cc")
    os.utime(context / "b", (1, 1))
    with pytest.raises(ContextChanged):
        upper.write(entry)
