"""A context from an archive: every compression, and archives that mean harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.context.archive import BadArchive, is_archive, unpack_context
from lamina.errors import EngineError
from tests.fakes.archives import (
    EPOCH,
    FORMATS,
    Member,
    archive,
    fifo,
    file,
    folder,
    hardlink,
    members,
    symlink,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "context"
    found.mkdir()
    return found


def unpack(data: bytes, place: Path) -> list[str]:
    unpack_context(io.BytesIO(data), place)
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_compression_and_form(
    place: Path, compress: Callable[[bytes], bytes], form: int
) -> None:
    data = compress(archive(folder("./"), folder("./a"), file("./a/f", b"x" * 9000), form=form))
    assert is_archive(data[:1024])
    assert unpack(data, place) == ["a", "a/f"]
    assert (place / "a" / "f").read_bytes() == b"x" * 9000


@pytest.mark.parametrize(
    "text", [b"", b"FROM scratch\n", b"# syntax=x\n" * 200, b"\0" * 2000, b"BZ", b"\x1f\x8b"]
)
def test_a_text_is_no_archive(text: bytes) -> None:
    assert not is_archive(text[:1024])


def test_an_old_tar_has_no_magic() -> None:
    old = bytearray(archive(file("f", b"x"), form=tarfile.USTAR_FORMAT))
    old[257:265] = bytes(8)
    old[148:156] = b"        "
    old[148:156] = b"%06o\0 " % sum(old[:512])
    assert is_archive(bytes(old[:1024]))


def test_modes_times_and_kinds_come_over_and_owners_do_not(place: Path) -> None:
    before = os.umask(0o077)
    try:
        unpack(
            archive(
                Member("d", tarfile.DIRTYPE, mode=0o2711, uid=1234, gid=99),
                Member("d/f", content=b"x", mode=0o4751, uid=1234, gid=99),
                symlink("d/l", "/etc/passwd"),
                fifo("d/p"),
                hardlink("h", "d/f"),
                file("new/dir/f", b""),
            ),
            place,
        )
    finally:
        os.umask(before)
    status = (place / "d" / "f").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o4751, EPOCH)
    assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
    assert stat.S_IMODE((place / "d").stat().st_mode) == 0o2711
    assert (place / "d").stat().st_mtime == EPOCH
    assert os.readlink(place / "d" / "l") == "/etc/passwd"
    assert stat.S_ISFIFO((place / "d" / "p").stat().st_mode)
    assert (place / "h").samefile(place / "d" / "f")
    assert stat.S_IMODE((place / "new").stat().st_mode) == 0o755


def test_a_later_member_takes_the_place_of_an_earlier(place: Path) -> None:
    data = archive(file("a", b"1"), symlink("b", "/etc"), file("b", b"2"), file("a", b"3"))
    assert unpack(data, place) == ["a", "b"]
    assert (place / "a").read_bytes() == b"3"
    assert (place / "b").read_bytes() == b"2"


def test_a_file_that_is_called_as_a_whiteout_is_a_file(place: Path) -> None:
    assert unpack(archive(file(".wh.a"), file("a"), file(".wh..wh..opq")), place) == [
        ".wh..wh..opq",
        ".wh.a",
        "a",
    ]


HOSTILE: dict[str, bytes] = {
    "climbs": archive(file("../out", b"x")),
    "climbs deeper": archive(file("a/../../out", b"x")),
    "absolute": archive(file("/out", b"x")),
    "through a link": archive(symlink("l", "../"), file("l/out", b"x")),
    "through a link to root": archive(symlink("l", "/"), file("l/out", b"x")),
    "under a file": archive(file("f"), file("f/out", b"x")),
    "directory over a link": archive(symlink("l", ".."), folder("l"), file("l/out", b"x")),
    "hard link to nothing": archive(hardlink("h", "nothing")),
    "hard link out": archive(hardlink("h", "../../etc/passwd")),
    "hard link to a directory": archive(folder("d"), hardlink("h", "d")),
    "hard link through a link": archive(symlink("l", "/etc"), hardlink("h", "l/passwd")),
    "file over a directory": archive(folder("d"), file("d/f"), file("d", b"x")),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, place: Path, data: bytes) -> None:
    with pytest.raises(BadArchive, match="the archive of the build context cannot be used: "):
        unpack(data, place)
    assert os.listdir(tmp_path) == ["context"]


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_an_archive_that_is_cut_off(place: Path, compress: Callable[[bytes], bytes]) -> None:
    data = compress(archive(file("a", os.urandom(30_000)), file("b", b"x")))
    with pytest.raises(BadArchive, match=r"cut off|ends without"):
        unpack(data[:20_000], place)


def test_an_archive_that_is_damaged(place: Path) -> None:
    data = bytearray(gzip.compress(archive(file("a", os.urandom(3000)))))
    data[1000] ^= 0xFF
    with pytest.raises(BadArchive, match=r"damaged|tar"):
        unpack(bytes(data), place)


@given(st.lists(members(st.sampled_from(["a", "b", "a/b", "a/b/c"]), extractable=True), max_size=8))
def test_nothing_leaves_the_directory(
    tmp_path_factory: pytest.TempPathFactory, found: list[Member]
) -> None:
    outer = tmp_path_factory.mktemp("outer")
    place = outer / "context"
    place.mkdir()
    try:
        unpack(archive(*found), place)
    except EngineError:
        pass
    assert os.listdir(outer) == ["context"]
