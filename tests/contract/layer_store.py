"""What every LayerStore keeps (store/contract.py); a subclass gives the fixtures.

layers      an empty store
second      another, with nothing in common
new_upper   makes an empty directory on the first store's own file system
residue     names everything on the first store's disk
"""

from __future__ import annotations

import os
import socket
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import EngineError
from lamina.layer.contract import LayerInfo
from lamina.layer.diff import changes
from lamina.layer.entry import Entry, Kind, text_path
from lamina.layer.errors import BadLayer, DiffIdMismatch
from lamina.layer.listing import UNKNOWN, numbers
from lamina.layer.whiteout import here
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.contract import LayerStore
from lamina.store.errors import LayerNotFound
from tests.fakes.archives import (
    EPOCH,
    FEW_PATHS,
    Member,
    archive,
    cut,
    fifo,
    file,
    folder,
    hardlink,
    members,
    symlink,
)

ABSENT = Digest.of(b"no such layer")
BIG = bytes(range(256)) * 8192  # 2 MiB

PLAIN = archive(
    folder("./"),
    folder("usr", mtime=EPOCH + 1.5),
    folder("usr/bin", mode=0o750),
    file("usr/bin/tool", b"#!/bin/sh\n" * 60, mode=0o4755, mtime=EPOCH + 0.25),
    hardlink("usr/bin/alias", "usr/bin/tool"),
    symlink("usr/bin/link", "../../etc/target"),
    file("usr/empty"),
    file("usr/big", BIG),
    file("etc/implicit/parent", b"here", mode=0o600),
    fifo("usr/pipe"),
)
MARKED = archive(
    folder("var"),
    file("var/.wh.gone"),
    folder("var/new"),
    file("var/new/.wh..wh..opq"),
    file("var/new/inside", b"inside"),
    file(".wh.top"),
)
ARCHIVES = {
    "plain": PLAIN,
    "markers": MARKED,
    "nothing": bytes(1024),
    "one end block": archive(file("a", b"1"))[: 3 * 512],
    "long padding": PLAIN + bytes(100_000),
    "ustar": archive(file("d/" * 60 + "name", b"x"), form=tarfile.USTAR_FORMAT),
    "gnu long names": archive(
        file("n" * 200, b"x"), symlink("l", "t" * 300), form=tarfile.GNU_FORMAT
    ),
    "bytes that are no text": archive(file("caf\udce9", b"x"), form=tarfile.GNU_FORMAT),
    "a name twice": archive(file("a", b"first" * 300), file("b", b"b"), file("a", b"second")),
    "a file, then a directory": archive(file("a", b"file"), folder("a"), file("a/b", b"below")),
    "a directory, then a file": archive(file("a/b", b"below"), folder("a/c"), file("a", b"file")),
    "a linked name replaced": archive(file("a", b"first"), hardlink("b", "a"), file("a", b"other")),
    "content on a marker": archive(file(".wh.a", b"odd"), file("b", b"plain")),
    "a link as parent": archive(folder("lib"), symlink("l", "lib"), file("l/x", b"in lib")),
    "a hard link to a symlink": archive(symlink("a", "nowhere"), hardlink("b", "a")),
    "a link of a link": archive(file("a", b"1"), hardlink("b", "a"), hardlink("c", "b")),
    "a marker beside its file": archive(file(".wh.a"), file("a", b"x"), file("b"), file(".wh.b")),
    "hidden by its own layer": archive(folder("a"), file("a/b", b"x"), file(".wh.a")),
}

BAD: dict[str, tuple[bytes, str]] = {
    "an absolute name": (archive(file("a"), file("/etc/passwd")), "'/etc/passwd'"),
    "a name out of the root": (archive(file("a/../../b")), r"'a/\.\./\.\./b'"),
    "an absolute symlink as parent": (archive(symlink("l", "/tmp"), file("l/x", b"1")), "'l/x'"),
    "a symlink out as parent": (archive(symlink("l", "../.."), file("l/x", b"1")), "'l/x'"),
    "a symlink out of a directory": (
        archive(folder("d"), symlink("d/l", "../../x"), file("d/l/x", b"1")),
        "'d/l/x'",
    ),
    "a symlink in a circle": (archive(symlink("l", "l"), file("l/x", b"1")), "'l/x'"),
    "a symlink to a long name": (archive(symlink("l", "n" * 300), file("l/x", b"1")), "'l/x'"),
    "a symlink to a deep name": (
        archive(symlink("l", "d/" * 2040), file("l/" + "x" * 30, b"1")),
        "'l/x+'",
    ),
    "a hard link to nothing": (archive(hardlink("a", "b")), "'a'.*'b'"),
    "a hard link to itself": (archive(hardlink("a", "a")), "'a'"),
    "a hard link out": (archive(hardlink("a", "../b")), r"'\.\./b'"),
    "a hard link to the outside": (archive(hardlink("a", "/etc/passwd")), "'/etc/passwd'"),
    "a hard link through a link": (
        archive(symlink("l", "/etc"), hardlink("a", "l/passwd")),
        "'a'",
    ),
    "a hard link to a directory": (archive(folder("d"), hardlink("a", "d")), "'a'.*'d'"),
    "a file as parent": (archive(file("a", b"1"), file("a/b", b"2")), "'a/b'.*'a'"),
    "a name of 300 bytes": (archive(file("n" * 300)), "300 bytes"),
    "an overlay attribute": (
        archive(Member("a", xattrs=(("trusted.overlay.opaque", "y"),))),
        "'a'.*trusted.overlay.opaque",
    ),
    "a whiteout of a parent": (archive(file("a/.wh...")), r"'a/\.wh\.\.\.'"),
    "cut off": (PLAIN[:5000], "cut off"),
    "no end": (archive(file("a"))[:512], "end marker.*'a'"),
    "something behind": (PLAIN + b"x", "data after the end"),
    "no tar": (b"<html>" * 1000, "not a tar header"),
}


def description(entry: Entry) -> tuple[object, ...]:
    """What an entry says but for where its content lies in the stream."""
    return (*(getattr(entry, name) for name in Entry.__struct_fields__ if name != "offset"),)


def facts(info: LayerInfo) -> LayerInfo:
    """What two stores must agree on: what `adopt` makes is a tree, whatever the others are."""
    return msgspec.structs.replace(info, form="tree")


class LayerStoreContract:
    """Inherit, and give the fixtures named above."""

    @pytest.fixture
    def lower(self, layers: LayerStore) -> Iterator[Callable[[Digest], Path]]:
        """A layer as a directory, for the length of a test."""
        with ExitStack() as stack:
            yield lambda diff_id: stack.enter_context(layers.lowers([diff_id]))[0]

    # what is not there

    def test_a_layer_that_is_not_there(
        self, lower: Callable[[Digest], Path], layers: LayerStore
    ) -> None:
        assert not layers.has(ABSENT)
        assert list(layers) == []
        for ask in (layers.info, layers.listing, layers.hashed, layers.columns, lower):
            with pytest.raises(LayerNotFound):
                ask(ABSENT)
        with pytest.raises(LayerNotFound):
            list(layers.tar(ABSENT))
        with pytest.raises(LayerNotFound):
            layers.open_file(ABSENT, Entry("a", Kind.FILE, 0o644, 0, 0, 1, 0))
        with pytest.raises(LayerNotFound):
            layers.disk_usage(ABSENT)
        assert layers.remove(ABSENT) == 0

    # ingest

    @pytest.mark.parametrize("name", ARCHIVES)
    def test_the_tar_comes_back_byte_for_byte(self, layers: LayerStore, name: str) -> None:
        tar = ARCHIVES[name]
        info = layers.ingest(cut(tar, 10_000), expected=Digest.of(tar))
        assert info.diff_id == Digest.of(tar)
        returned = list(layers.tar(info.diff_id))
        assert b"".join(returned) == tar
        assert all(0 < len(piece) <= 1 << 20 for piece in returned)
        assert layers.verify(info.diff_id) == []

    @pytest.mark.parametrize("name", ARCHIVES)
    def test_the_listing_says_where_each_content_lies(self, layers: LayerStore, name: str) -> None:
        tar = ARCHIVES[name]
        info = layers.ingest([tar], expected=None)
        listing = layers.hashed(info.diff_id)
        assert (listing.diff_id, listing.tar_size) == (Digest.of(tar), len(tar))
        for entry in listing.entries:
            content = tar[entry.offset : entry.offset + entry.size]
            if entry.kind is Kind.FILE:
                assert entry.sha256 == Digest.of(content).raw
                with layers.open_file(info.diff_id, entry) as stream:
                    assert stream.read() == content
            else:
                assert (entry.size, entry.sha256) == (0, b"")
        assert info == LayerInfo(
            Digest.of(tar),
            info.form,
            sum(entry.size for entry in listing.entries),
            len(tar),
            len(listing.entries),
        )
        assert layers.info(info.diff_id) == info
        plain = layers.listing(info.diff_id)
        assert [e.path for e in plain.entries] == [e.path for e in listing.entries]

    @pytest.mark.parametrize("name", ARCHIVES)
    def test_the_columns_are_those_of_the_listing(self, layers: LayerStore, name: str) -> None:
        info = layers.ingest([ARCHIVES[name]], expected=None)
        for hashed, ask in ((False, layers.listing), (True, layers.hashed)):
            columns = layers.columns(info.diff_id, hashed=hashed)
            entries = ask(info.diff_id).entries
            assert columns.diff_id == info.diff_id.raw
            assert columns.count == len(entries)
            if entries:
                paths = columns.paths.split(b"\0")
                assert [text_path(path) for path in paths] == [e.path for e in entries]
            assert list(columns.kinds) == [entry.kind for entry in entries]
            assert list(numbers("q", columns.sizes)) == [entry.size for entry in entries]
            assert list(numbers("q", columns.mtimes)) == [entry.mtime for entry in entries]
            known = b"".join(entry.sha256 or UNKNOWN for entry in entries if entry.size)
            assert columns.hashes == known
        assert columns.hashed

    @pytest.mark.parametrize("step", [1, 511, 512, 4096, 1 << 24])
    def test_how_the_stream_is_cut_makes_no_difference(self, layers: LayerStore, step: int) -> None:
        tar = archive(file("a", b"x" * 1000), folder("d"), file("d/b", b"y" * 600, mtime=1.5))
        info = layers.ingest(cut(tar, step), expected=Digest.of(tar))
        assert b"".join(layers.tar(info.diff_id)) == tar

    def test_the_tree_is_what_the_archive_says(
        self, lower: Callable[[Digest], Path], layers: LayerStore
    ) -> None:
        info = layers.ingest([PLAIN], expected=None)
        root = lower(info.diff_id)
        tool = (root / "usr/bin/tool").stat()
        assert (root / "usr/bin/tool").read_bytes() == b"#!/bin/sh\n" * 60
        assert stat.S_IMODE(tool.st_mode) == 0o4755
        assert (tool.st_uid, tool.st_gid) == (os.getuid(), os.getgid())
        assert tool.st_mtime_ns == EPOCH * 10**9 + 250_000_000
        assert (root / "usr/bin/alias").stat().st_ino == tool.st_ino
        assert tool.st_nlink == 2, "an inode with several names is shared with no other layer"
        assert os.readlink(root / "usr/bin/link") == "../../etc/target"
        assert (root / "usr/bin/link").lstat().st_mtime == EPOCH
        assert (root / "usr").stat().st_mtime_ns == EPOCH * 10**9 + 1_500_000_000
        assert stat.S_IMODE((root / "usr/bin").stat().st_mode) == 0o750
        assert (root / "usr/big").read_bytes() == BIG
        assert (root / "usr/empty").stat().st_size == 0
        assert stat.S_ISFIFO((root / "usr/pipe").stat().st_mode)
        for implicit in ("etc", "etc/implicit"):
            status = (root / implicit).stat()
            assert stat.S_IMODE(status.st_mode) == 0o755
            assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
        assert stat.S_IMODE((root / "etc/implicit/parent").stat().st_mode) == 0o600

    def test_markers_become_what_overlayfs_reads(
        self, lower: Callable[[Digest], Path], layers: LayerStore
    ) -> None:
        info = layers.ingest([MARKED], expected=None)
        root = lower(info.diff_id)
        marks = here(os.geteuid())
        for path in ("var/gone", "top"):
            assert marks.is_whiteout((root / path).lstat())
        assert marks.attributes(os.fsencode(root / "var/new"))[0]
        assert not marks.attributes(os.fsencode(root / "var"))[0]
        assert (root / "var/new/inside").read_bytes() == b"inside"
        assert sorted(path.name for path in root.rglob("*")) == [
            "gone", "inside", "new", "top", "var",
        ]  # fmt: skip

    def test_a_marker_speaks_of_the_layers_below_alone(
        self, lower: Callable[[Digest], Path], layers: LayerStore
    ) -> None:
        info = layers.ingest([ARCHIVES["a marker beside its file"]], expected=None)
        root = lower(info.diff_id)
        assert (root / "a").read_bytes() == b"x"
        assert (root / "b").read_bytes() == b""

    def test_the_later_of_two_entries_counts(
        self, lower: Callable[[Digest], Path], layers: LayerStore
    ) -> None:
        def tree(name: str) -> dict[str, bytes | None]:
            root = lower(layers.ingest([ARCHIVES[name]], expected=None).diff_id)
            return {
                str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
                for path in root.rglob("*")
            }

        assert tree("a name twice") == {"a": b"second", "b": b"b"}
        assert tree("a file, then a directory") == {"a": None, "a/b": b"below"}
        assert tree("a directory, then a file") == {"a": b"file"}
        assert tree("a linked name replaced") == {"a": b"other", "b": b"first"}

    def test_a_parent_that_is_a_link_inside_the_layer_is_followed(
        self, lower: Callable[[Digest], Path], layers: LayerStore
    ) -> None:
        info = layers.ingest([ARCHIVES["a link as parent"]], expected=None)
        assert (lower(info.diff_id) / "lib/x").read_bytes() == b"in lib"
        assert [e.path for e in layers.listing(info.diff_id).entries] == ["lib", "l", "lib/x"]

    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_layer_is_refused_by_name_and_leaves_nothing(
        self, layers: LayerStore, residue: Callable[[], list[str]], name: str
    ) -> None:
        tar, complaint = BAD[name]
        before = residue()
        with pytest.raises(BadLayer, match=complaint):
            layers.ingest(cut(tar, 3000), expected=None)
        assert residue() == before

    def test_another_diff_id_than_expected_leaves_nothing(
        self, layers: LayerStore, residue: Callable[[], list[str]]
    ) -> None:
        before = residue()
        with pytest.raises(DiffIdMismatch) as caught:
            layers.ingest([PLAIN], expected=ABSENT)
        assert (caught.value.expected, caught.value.actual) == (ABSENT, Digest.of(PLAIN))
        assert residue() == before
        assert not layers.has(ABSENT)

    def test_an_error_of_the_stream_goes_through_and_leaves_nothing(
        self, layers: LayerStore, residue: Callable[[], list[str]]
    ) -> None:
        class Broken(Exception):
            pass

        def stream() -> Iterator[bytes]:
            yield PLAIN[:4096]
            raise Broken

        before = residue()
        with pytest.raises(Broken):
            layers.ingest(stream(), expected=None)
        assert residue() == before

    def test_nothing_outside_is_written(self, layers: LayerStore, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").write_text("safe")
        tricks = (
            archive(symlink("l", str(outside)), file("l/file", b"broken")),
            archive(symlink("l", str(outside / "file")), file("l", b"broken")),
            archive(symlink("l", str(outside)), folder("l"), file("l/file", b"broken")),
            archive(symlink("l", str(outside)), file("l/.wh.file")),
            archive(symlink("l", str(outside / "file")), hardlink("h", "l"), file("h", b"broken")),
            archive(symlink("l", str(outside)), folder("l", mode=0o700, mtime=1)),
        )
        mode = outside.stat().st_mode
        for tar in tricks:
            try:
                layers.ingest([tar], expected=None)
            except BadLayer:
                pass
        assert (outside / "file").read_text() == "safe"
        assert sorted(os.listdir(outside)) == ["file"]
        assert outside.stat().st_mode == mode

    def test_a_layer_may_come_twice(
        self, layers: LayerStore, residue: Callable[[], list[str]]
    ) -> None:
        info = layers.ingest([PLAIN], expected=None)
        before = residue()
        assert layers.ingest([PLAIN], expected=info.diff_id) == info
        assert residue() == before
        assert layers.verify(info.diff_id) == []
        assert list(layers) == [info.diff_id]

    def test_a_layer_may_come_several_times_at_once(
        self, layers: LayerStore, residue: Callable[[], list[str]]
    ) -> None:
        tar = archive(*(file(f"d{n % 7}/f{n}", b"%d" % n * 100) for n in range(200)))
        results: list[LayerInfo | BaseException] = []
        start = threading.Barrier(4)

        def work() -> None:
            start.wait()
            try:
                results.append(layers.ingest(cut(tar, 20_000), expected=Digest.of(tar)))
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                results.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [layers.info(Digest.of(tar))] * 4
        assert layers.verify(Digest.of(tar)) == []
        layers.remove(Digest.of(tar))
        assert [name for name in residue() if "f1" in name] == []

    @settings(
        max_examples=60,
        # One suite for several stores.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(made=st.lists(members(FEW_PATHS, extractable=True), max_size=8))
    def test_any_archive_is_kept_exactly_or_refused(
        self, layers: LayerStore, residue: Callable[[], list[str]], made: list[Member]
    ) -> None:
        before = residue()
        tar = archive(*made)
        try:
            info = layers.ingest(cut(tar, 1000), expected=None)
        except BadLayer:
            assert residue() == before
            return
        try:
            assert b"".join(layers.tar(info.diff_id)) == tar
            assert layers.verify(info.diff_id) == []
            for entry in layers.hashed(info.diff_id).entries:
                if entry.kind is Kind.FILE:
                    with layers.open_file(info.diff_id, entry) as stream:
                        assert Digest.of(stream.read()).raw == entry.sha256
        finally:
            layers.remove(info.diff_id)
        assert residue() == before

    # adopt and snapshot

    @pytest.fixture
    def upper(self, new_upper: Callable[[], Path]) -> Path:
        """An upper directory with one of everything."""
        upper = new_upper()
        fill(upper)
        return upper

    def test_an_upper_directory_becomes_a_layer(
        self, layers: LayerStore, second: LayerStore, upper: Path
    ) -> None:
        info = layers.adopt(upper)
        assert not upper.exists()
        tar = b"".join(layers.tar(info.diff_id))
        assert Digest.of(tar) == info.diff_id
        assert layers.verify(info.diff_id) == []
        again = second.ingest([tar], expected=info.diff_id)
        assert facts(again) == facts(info)
        ours, theirs = layers.hashed(info.diff_id), second.hashed(info.diff_id)
        assert list(ours.entries) == list(theirs.entries)
        assert second.verify(info.diff_id) == []
        for entry in ours.entries:
            if entry.kind is Kind.FILE:
                with layers.open_file(info.diff_id, entry) as stream:
                    assert Digest.of(stream.read()).raw == entry.sha256

    def test_the_entries_of_an_adopted_layer(self, layers: LayerStore, upper: Path) -> None:
        info = layers.adopt(upper)
        found = {entry.path: entry for entry in layers.hashed(info.diff_id).entries}
        assert list(found) == [
            "dir",
            "dir/alias",
            "dir/file",
            "dir/link",
            "dir/.wh.old",
            "dir/pipe",
            "opaque",
            "opaque/.wh..wh..opq",
            "opaque/new",
            ".wh.removed",
        ]
        assert found["dir/alias"].kind is Kind.FILE
        assert found["dir/file"].kind is Kind.HARDLINK
        assert found["dir/file"].link == "dir/alias"
        assert found["dir/link"].link == "nowhere"
        assert all(entry.mtime % 10**9 == 0 for entry in found.values())
        assert found["dir/alias"].mtime == EPOCH * 10**9
        assert not any("overlay" in name for e in found.values() for name, _ in e.xattrs)

    def test_the_same_tree_gives_the_same_layer(
        self, layers: LayerStore, new_upper: Callable[[], Path], upper: Path
    ) -> None:
        other = new_upper()
        fill(other)
        assert layers.adopt(upper) == layers.adopt(other)

    def test_a_snapshot_is_what_adopt_would_make_and_leaves_the_directory(
        self, layers: LayerStore, second: LayerStore, upper: Path
    ) -> None:
        before = census(upper)
        info = second.snapshot(upper)
        assert census(upper) == before
        assert second.verify(info.diff_id) == []
        assert facts(layers.adopt(upper)) == facts(info)

    def test_an_upper_directory_without_a_change(
        self, layers: LayerStore, new_upper: Callable[[], Path]
    ) -> None:
        info = layers.adopt(new_upper())
        assert b"".join(layers.tar(info.diff_id)) == bytes(1024)
        assert info.entry_count == 0

    def test_a_file_known_from_one_layer_adopted_in_another(
        self, lower: Callable[[Digest], Path], layers: LayerStore, new_upper: Callable[[], Path]
    ) -> None:
        known = layers.ingest([archive(folder("d"), file("d/f", b"same" * 99))], expected=None)
        upper = new_upper()
        (upper / "d").mkdir()
        (upper / "d/f").write_bytes(b"same" * 99)
        (upper / "d/f").chmod(0o644)
        for path in ("d/f", "d"):
            os.utime(upper / path, (EPOCH, EPOCH))
        adopted = layers.adopt(upper)
        assert layers.verify(adopted.diff_id) == layers.verify(known.diff_id) == []
        assert (lower(adopted.diff_id) / "d/f").read_bytes() == b"same" * 99
        assert (lower(adopted.diff_id) / "d").stat().st_mtime == EPOCH

    def test_what_somebody_says_of_an_upper_directory_need_not_be_found(
        self, layers: LayerStore, second: LayerStore, new_upper: Callable[[], Path]
    ) -> None:
        found, said = new_upper(), new_upper()
        for upper in (found, said):
            fill_plainly(upper)
        # In any order, and with nothing said of the contents.
        info = layers.adopt(said, filling=Told(said, list(changes(said))[::-1]))
        assert second.adopt(found) == info
        assert layers.hashed(info.diff_id) == second.hashed(info.diff_id)
        assert layers.verify(info.diff_id) == []
        assert not said.exists()

    @pytest.mark.parametrize("sure", [False, True])
    def test_files_that_layers_have_need_not_be_written(
        self, layers: LayerStore, second: LayerStore, new_upper: Callable[[], Path], sure: bool
    ) -> None:
        first, other, here = new_upper(), new_upper(), new_upper()
        for upper in (first, other):
            fill_plainly(upper)
        info = layers.adopt(first)
        entries = layers.hashed(info.diff_id).entries
        for store, writes in ((layers, False), (second, True)):
            upper = here if store is layers else other
            bare(upper)
            told = Told(upper, entries, sure=sure)
            assert store.adopt(upper, filling=told) == info
            assert ("d/f" in told.written) is writes
            assert store.hashed(info.diff_id) == layers.hashed(info.diff_id)
            assert store.verify(info.diff_id) == []

    def test_a_file_that_is_shorter_than_it_was(
        self,
        layers: LayerStore,
        new_upper: Callable[[], Path],
        residue: Callable[[], list[str]],
    ) -> None:
        upper = new_upper()
        fill_plainly(upper)
        before = residue()
        entries = [
            msgspec.structs.replace(entry, size=entry.size + (entry.path == "d/f"))
            for entry in changes(upper)
        ]
        with pytest.raises(BadLayer, match="changed while it was read"):
            layers.adopt(upper, filling=Told(upper, entries))
        assert residue() == before

    # removing and measuring

    def test_a_removed_layer_is_gone_with_all_it_took(
        self, layers: LayerStore, residue: Callable[[], list[str]]
    ) -> None:
        before = residue()
        info = layers.ingest([PLAIN], expected=None)
        usage = layers.disk_usage(info.diff_id)
        assert usage > len(BIG)
        assert layers.remove(info.diff_id) == usage
        assert residue() == before
        assert not layers.has(info.diff_id)
        assert layers.remove(info.diff_id) == 0

    def test_layers_with_files_in_common_outlive_each_other(
        self, layers: LayerStore, residue: Callable[[], list[str]]
    ) -> None:
        before = residue()
        one = archive(file("usr/same", BIG), file("usr/one", b"1" * 9000))
        two = archive(file("usr/same", BIG), file("usr/two", b"2" * 9000))
        first, other = (layers.ingest([tar], expected=None).diff_id for tar in (one, two))
        usage = layers.disk_usage(first)
        assert layers.remove(first) == usage
        assert layers.verify(other) == []
        assert b"".join(layers.tar(other)) == two
        assert layers.disk_usage(other) > len(BIG)
        assert layers.remove(other) > len(BIG)
        assert residue() == before

    # what a layer is known as

    def test_the_blobs_of_a_layer_are_remembered_once_each(self, layers: LayerStore) -> None:
        info = layers.ingest([PLAIN], expected=None)
        assert layers.compressed(info.diff_id) == ()
        gzip, zstd = (
            Descriptor(f"application/{name}", Digest.of(name.encode()), 7, annotations={"a": "b"})
            for name in ("gzip", "zstd")
        )
        for descriptor in (gzip, zstd, gzip):
            layers.remember_compressed(info.diff_id, descriptor)
        assert layers.compressed(info.diff_id) == (gzip, zstd)
        assert layers.verify(info.diff_id) == []
        layers.remove(info.diff_id)
        assert layers.compressed(info.diff_id) == ()
        with pytest.raises(LayerNotFound):
            layers.remember_compressed(info.diff_id, gzip)

    def test_every_error_is_one_of_ours(self, layers: LayerStore) -> None:
        for name, (tar, _) in BAD.items():
            with pytest.raises(EngineError) as caught:
                layers.ingest([tar], expected=None)
            assert "\n" not in str(caught.value), name


class Told:
    """Implements `Filling`: files have their path as their content, as `fill_plainly` has it."""

    def __init__(self, upper: Path, entries: Sequence[Entry], *, sure: bool = False) -> None:
        self.entries = entries
        self.written: list[str] = []
        self._upper = upper
        self._sure = sure

    def write(self, entry: Entry) -> bool:
        self.written.append(entry.path)
        place = self._upper / entry.path
        place.write_bytes(entry.path.encode() * 999 if entry.size else b"")
        place.chmod(entry.mode)
        os.utime(place, (EPOCH, EPOCH))
        return self._sure


def bare(upper: Path) -> None:
    """What `fill_plainly` makes, but for the files."""
    if not (upper / "d").exists():
        fill_plainly(upper)
    for each in upper.rglob("*"):
        if each.is_file() and not each.is_symlink():
            each.unlink()


def fill_plainly(upper: Path) -> None:
    """What has one name each, and deletes nothing."""
    (upper / "d" / "empty").mkdir(parents=True)
    (upper / "d.d").mkdir()
    for path in ("d/f", "d.d/f", "d/zero", "etc"):
        (upper / path).write_bytes(path.encode() * 999 if path != "d/zero" else b"")
    (upper / "d/link").symlink_to("nowhere")
    os.mkfifo(upper / "d/pipe")
    for each in sorted(upper.rglob("*"), reverse=True):
        os.utime(each, (EPOCH, EPOCH), follow_symlinks=False)


def fill(upper: Path) -> None:
    """Make what a container may leave in its upper directory."""
    marks = here(os.geteuid())
    (upper / "dir").mkdir(mode=0o750)
    (upper / "dir/file").write_bytes(b"content" * 100)
    (upper / "dir/file").chmod(0o2755)
    os.utime(upper / "dir/file", ns=(0, EPOCH * 10**9 + 123_456_789))
    os.link(upper / "dir/file", upper / "dir/alias")
    os.symlink("nowhere", upper / "dir/link")
    os.mkfifo(upper / "dir/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        # By a short way: a socket's path has room for 108 bytes.
        fd = os.open(upper / "dir", os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{fd}/socket")
        os.close(fd)
    marks.delete(os.fsencode(upper / "dir/old"))
    marks.delete(os.fsencode(upper / "removed"))
    (upper / "opaque").mkdir()
    marks.hide_lower(os.fsencode(upper / "opaque"))
    (upper / "opaque/new").write_bytes(BIG)
    for path in (*upper.rglob("*"), upper):
        if path.name not in ("file", "alias"):
            os.utime(path, (EPOCH, EPOCH + 7), follow_symlinks=False)


def census(root: Path) -> dict[str, tuple[int, ...]]:
    """Everything about every file that a reader must leave as it is."""
    found: dict[str, tuple[int, ...]] = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path)] = (
            status.st_ino,
            status.st_mode,
            status.st_nlink,
            status.st_size,
            status.st_mtime_ns,
        )
    return found
