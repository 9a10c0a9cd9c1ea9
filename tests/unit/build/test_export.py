"""The files of an image: as a tar, and laid into a directory."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from lamina.build.export import export_files, export_tar
from lamina.store.contract import Store
from tests.unit.build.products import NOW, Layer, directory, member, product

LAYERS: Sequence[Layer] = (
    (
        directory("bin", 0o711),
        member("bin/tool", b"#!tool", mode=0o4755),
        member("bin/gone", b"gone"),
        member("a", b"shared"),
        member("b", kind=tarfile.LNKTYPE, link="a"),
        member("c", kind=tarfile.SYMTYPE, link="bin/tool"),
        member("pipe", kind=tarfile.FIFOTYPE, mode=0o600),
    ),
    (member("bin/.wh.gone"), member("a", b"another")),
)


def tar(store: Store, **variants: Sequence[Layer]) -> tarfile.TarFile:
    stream = io.BytesIO()
    counted: list[int] = []
    with product(store, **variants) as made:
        export_tar(made, store, stream, counted.append)
    found = tarfile.open(fileobj=io.BytesIO(stream.getvalue()))  # noqa: SIM115 - for the caller
    assert sum(counted) == sum(each.size for each in found)
    return found


def files(store: Store, place: Path, **variants: Sequence[Layer]) -> None:
    with product(store, **variants) as made:
        export_files(made, store, place, lambda _: None)


def content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_a_tar_has_what_is_visible_and_nothing_else(store: Store) -> None:
    found = tar(store, amd64=LAYERS)
    assert found.getnames() == ["a", "b", "bin", "bin/tool", "c", "pipe"]
    assert content(found, "a") == b"another"
    # Its other name went on having the old content.
    assert (content(found, "b"), found.getmember("b").type) == (b"shared", tarfile.REGTYPE)
    tool = found.getmember("bin/tool")
    assert (tool.mode, tool.uid, tool.gid, tool.mtime) == (0o4755, 7, 8, NOW)


def test_hard_links_stay_links_to_the_first_visible_name(store: Store) -> None:
    found = tar(store, amd64=LAYERS[:1])
    assert (found.getmember("b").type, found.getmember("b").linkname) == (tarfile.LNKTYPE, "a")
    hidden = tar(store, amd64=[LAYERS[0], [member(".wh.a"), member("z", b"")]])
    assert (hidden.getmember("b").type, content(hidden, "b")) == (tarfile.REGTYPE, b"shared")


def test_platforms_have_directories_of_their_own(store: Store) -> None:
    found = tar(store, amd64=LAYERS[:1], arm64=[[member("a", b"arm")]])
    assert content(found, "linux_arm64/a") == b"arm"
    assert content(found, "linux_amd64/a") == b"shared"
    assert found.getmember("linux_amd64/b").linkname == "linux_amd64/a"


def test_the_same_image_gives_the_same_tar(store: Store) -> None:
    streams = [io.BytesIO(), io.BytesIO()]
    with product(store, amd64=LAYERS) as made:
        for stream in streams:
            export_tar(made, store, stream, lambda _: None)
    assert streams[0].getvalue() == streams[1].getvalue()


def test_files_in_a_new_directory(store: Store, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "out"
    files(store, place, amd64=LAYERS[:1])
    assert sorted(os.listdir(place)) == ["a", "b", "bin", "c", "pipe"]
    assert (place / "a").read_bytes() == b"shared"
    assert (place / "a").stat().st_ino == (place / "b").stat().st_ino
    assert os.readlink(place / "c") == "bin/tool"
    assert stat.S_ISFIFO((place / "pipe").stat().st_mode)
    tool, above = (place / "bin" / "tool").stat(), (place / "bin").stat()
    assert (stat.S_IMODE(tool.st_mode), tool.st_uid, tool.st_mtime) == (0o4755, os.getuid(), NOW)
    assert (stat.S_IMODE(above.st_mode), above.st_mtime) == (0o711, NOW)
    assert os.listdir(place.parent) == ["out"]


def test_files_are_laid_over_what_is_there(store: Store, tmp_path: Path) -> None:
    place = tmp_path / "out"
    (place / "bin" / "tool").mkdir(parents=True)
    (place / "bin" / "mine").write_text("stays")
    (place / "a").symlink_to("/etc/passwd")
    (place / "c").mkdir()
    files(store, place, amd64=LAYERS)
    assert (place / "bin" / "mine").read_text() == "stays"
    assert (place / "bin" / "tool").read_bytes() == b"#!tool"
    assert not (place / "a").is_symlink()
    assert (place / "c").is_symlink()
    assert not [name for _, _, names in os.walk(place) for name in names if ".lamina" in name]


def test_a_link_where_the_image_has_a_directory_leads_nowhere(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / "out"
    place.mkdir()
    (place / "bin").symlink_to(outside)
    files(store, place, amd64=LAYERS)
    assert os.listdir(outside) == []
    assert (place / "bin" / "tool").exists()


def test_what_fails_leaves_no_new_directory(store: Store, tmp_path: Path) -> None:
    def stop(size: int) -> None:
        raise KeyboardInterrupt

    with product(store, amd64=LAYERS) as made, pytest.raises(KeyboardInterrupt):
        export_files(made, store, tmp_path / "out", stop)
    assert [each.name for each in tmp_path.iterdir()] == ["root"]


def test_what_fails_leaves_no_half_of_a_file(store: Store, tmp_path: Path) -> None:
    def stop(size: int) -> None:
        raise KeyboardInterrupt

    place = tmp_path / "out"
    place.mkdir()
    (place / "a").write_text("before")
    with product(store, amd64=LAYERS) as made, pytest.raises(KeyboardInterrupt):
        export_files(made, store, place, stop)
    assert os.listdir(place) == ["a"]
    assert (place / "a").read_text() == "before"


def test_names_that_are_no_text(store: Store, tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9\n")
    layer = [member(odd, b"x")]
    files(store, tmp_path / "out", amd64=[layer])
    assert os.listdir(os.fsencode(tmp_path / "out")) == [b"caf\xe9\n"]
    assert tar(store, amd64=[layer]).getnames() == [odd]


def test_a_directory_that_forbids_writing_is_filled_all_the_same(
    store: Store, tmp_path: Path
) -> None:
    layer = [directory("d", 0o555), member("d/f", b"x", mode=0o444)]
    files(store, tmp_path / "out", amd64=[layer])
    assert stat.S_IMODE((tmp_path / "out" / "d").stat().st_mode) == 0o555
    assert (tmp_path / "out" / "d" / "f").read_bytes() == b"x"
