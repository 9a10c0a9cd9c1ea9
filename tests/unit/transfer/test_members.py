"""Files by name out of untrusted tars and directories."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from lamina.errors import EngineError
from lamina.transfer.members import (
    BadArchive,
    DirectoryMembers,
    Members,
    MissingFile,
    TarMembers,
    read_document,
)
from tests.fakes.archives import Member, archive, file, folder, hardlink, symlink


@pytest.fixture
def tar_of_members(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened: list[io.BufferedReader] = []

    def make(*members: Member, format: int = tarfile.PAX_FORMAT) -> TarMembers:  # noqa: A002
        return raw(archive(*members, form=format))

    def raw(data: bytes) -> TarMembers:
        path = tmp_path / "archive.tar"
        path.write_bytes(data)
        opened.append(path.open("rb"))
        return TarMembers(opened[-1], "archive.tar")

    make.raw = raw  # type: ignore[attr-defined]
    yield make
    for each in opened:
        each.close()


def content(members: Members, name: str, offset: int = 0) -> bytes:
    return b"".join(members.chunks(name, offset=offset))


class TestTar:
    @pytest.mark.parametrize(
        "format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
    )
    def test_files_of_every_format_and_size(self, tar_of_members, format_: int) -> None:  # type: ignore[no-untyped-def]
        files = {"d/empty": b"", "d/small": b"x", "d/block": b"y" * 512, "d/big": b"z" * 3_000_000}
        long = "d/" + "n" * 90 + "/" + "m" * 50
        files[long] = b"long"
        members = tar_of_members(
            folder("d"), *(file(name, data) for name, data in files.items()), format=format_
        )
        for name, data in files.items():
            assert members.has(name)
            assert members.size(name) == len(data)
            assert content(members, name) == data
        assert content(members, "d/big", 2_999_990) == b"z" * 10

    def test_the_later_of_two_counts(self, tar_of_members) -> None:  # type: ignore[no-untyped-def]
        members = tar_of_members(file("a", b"old"), file("a", b"newer"))
        assert content(members, "a") == b"newer"

    @pytest.mark.parametrize(
        ("name", "target"), [("x/link", "../y/file"), ("link", "y/file"), ("y/link", "./file")]
    )
    def test_links_lead_to_other_members(self, tar_of_members, name: str, target: str) -> None:  # type: ignore[no-untyped-def]
        members = tar_of_members(file("y/file", b"here"), symlink(name, target))
        assert content(members, name) == b"here"

    def test_a_hard_link_is_its_target(self, tar_of_members) -> None:  # type: ignore[no-untyped-def]
        members = tar_of_members(file("y/file", b"here"), hardlink("again", "y/file"))
        assert content(members, "again") == b"here"

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "../x"])
    def test_links_that_lead_out_are_refused(self, tar_of_members, target: str) -> None:  # type: ignore[no-untyped-def]
        members = tar_of_members(symlink("layer.tar", target))
        assert not members.has("layer.tar")
        with pytest.raises(BadArchive, match="leads out of the archive"):
            members.size("layer.tar")

    def test_links_in_a_circle_are_refused(self, tar_of_members) -> None:  # type: ignore[no-untyped-def]
        members = tar_of_members(symlink("a", "b"), symlink("b", "a"))
        with pytest.raises(BadArchive, match="in a circle"):
            members.size("a")

    def test_a_directory_is_no_file(self, tar_of_members) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(BadArchive, match="is not a file"):
            tar_of_members(folder("a")).size("a")

    def test_a_missing_file(self, tar_of_members) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(MissingFile, match=r"archive\.tar has no b"):
            tar_of_members(file("a")).size("b")

    @pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../b"])
    def test_names_that_lead_out_are_refused(self, tar_of_members, name: str) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(BadArchive, match="can be read: a"):
            tar_of_members(file(name))

    @pytest.mark.parametrize("cut", [1, 100, 511, 513, 600, 1500])
    def test_a_tar_that_is_cut_off(self, tar_of_members, cut: int) -> None:  # type: ignore[no-untyped-def]
        whole = archive(file("a", b"x" * 900), file("b", b"y" * 900), form=tarfile.USTAR_FORMAT)
        with pytest.raises(BadArchive):
            tar_of_members.raw(whole[:cut])

    @pytest.mark.parametrize("data", [b"<html>", b"\xff" * 2000, b"PK\x03\x04" * 300])
    def test_what_is_no_tar(self, tar_of_members, data: bytes) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(BadArchive, match="not a tar that can be read"):
            tar_of_members.raw(data)

    def test_a_document_over_the_limit_is_not_read(self, tar_of_members) -> None:  # type: ignore[no-untyped-def]
        members = tar_of_members(file("manifest.json", b" " * ((4 << 20) + 1)))
        with pytest.raises(BadArchive, match="larger than"):
            read_document(members, "manifest.json")


class TestDirectory:
    @pytest.fixture
    def members(self, tmp_path: Path) -> DirectoryMembers:
        place = tmp_path / "layout"
        (place / "blobs").mkdir(parents=True)
        (place / "blobs" / "a").write_bytes(b"hello")
        (tmp_path / "secret").write_bytes(b"secret")
        return DirectoryMembers(place)

    def test_a_file(self, members: DirectoryMembers) -> None:
        assert members.size("blobs/a") == 5
        assert content(members, "blobs/a", 2) == b"llo"

    @pytest.mark.parametrize("name", ["../secret", "blobs/../../secret", "/secret", "", "blobs//a"])
    def test_names_that_lead_out_are_refused(self, members: DirectoryMembers, name: str) -> None:
        with pytest.raises(BadArchive, match="not a name inside"):
            members.size(name)

    def test_links_are_refused(self, members: DirectoryMembers, tmp_path: Path) -> None:
        (tmp_path / "layout" / "link").symlink_to("../secret")
        (tmp_path / "layout" / "dir").symlink_to("..")
        for name in ("link", "dir/secret"):
            assert not members.has(name)
            with pytest.raises(BadArchive, match="cannot be read"):
                members.size(name)

    def test_a_fifo_is_no_file_and_does_not_block(
        self, members: DirectoryMembers, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "layout" / "fifo")
        with pytest.raises(BadArchive, match="is not a file"):
            members.size("fifo")

    def test_a_missing_file(self, members: DirectoryMembers) -> None:
        with pytest.raises(MissingFile, match="has no blobs/b"):
            members.size("blobs/b")

    def test_a_missing_directory(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError):
            DirectoryMembers(tmp_path / "nowhere").size("index.json")
