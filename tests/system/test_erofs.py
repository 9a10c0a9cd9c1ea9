"""EROFS images as the kernel reads them, and as erofs-utils do."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from lamina.layer.entry import Entry, Kind, os_path, text_path
from lamina.layer.erofs import write_image
from lamina.layer.layer_tree import LayerTree
from lamina.layer.tar import TarReader
from lamina.layer.whiteout import ROOT
from lamina.linux.mounts import open_erofs, open_overlay
from lamina.store.treecheck import check_tree
from tests.rights import roots_alone
from tests.system.conftest import CACHE, need_tool
from tests.unit.layer.test_erofs import (
    Reader,
    file,
    folder,
    hardlink,
    lay_out,
    layers,
    symlink,
)

pytestmark = [pytest.mark.system, roots_alone("mounting EROFS")]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that the kernel takes images from: /tmp may be a tmpfs."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="erofs-") as name:
        yield Path(name)


@contextmanager
def mounted(image: Path, data: Path) -> Iterator[Path]:
    """The image's root directory."""
    fds = [os.open(path, os.O_RDONLY) for path in (image, data)]
    try:
        fds.append(open_erofs(*fds))
        yield Path(f"/proc/self/fd/{fds[-1]}")
    finally:
        for fd in fds:
            os.close(fd)


def content_of(entry: Entry) -> bytes:
    """What a made-up file has in it."""
    return (os_path(entry.path) + b"\n") * (entry.size // (len(entry.path) + 1) + 1)


def make_layer(
    place: Path, entries: list[Entry], block_bits: int = 9
) -> tuple[list[Entry], Path, Path]:
    """The entries with their hashes; the image and the data they describe."""
    placed, size = lay_out(entries, 1 << block_bits)
    image, data = place / "image", place / "data"
    hashed = []
    with data.open("wb") as output:
        output.truncate(size)
        for entry in placed:
            if entry.kind is Kind.FILE:
                content = content_of(entry)[: entry.size]
                os.pwrite(output.fileno(), content, entry.offset)
                entry = replace(entry, sha256=hashlib.sha256(content).digest())
            hashed.append(entry)
    pieces = write_image(LayerTree(hashed), data_size=size, block_bits=block_bits)
    image.write_bytes(b"".join(pieces))
    return hashed, image, data


def check_numbers(root: Path, tree: LayerTree) -> None:
    """What `check_tree` does not ask: counts of links, and times of implied directories."""
    links: dict[int, int] = {}
    for maker in tree.makers.values():
        links[id(maker)] = links.get(id(maker), 0) + 1
    base = os.fsencode(root) + b"/"
    for path, maker in tree.makers.items():
        if maker.kind is not Kind.DIRECTORY:
            assert os.lstat(base + os_path(path)).st_nlink == links[id(maker)]
    for path in tree.directories:
        below = os.scandir(base + os_path(path))
        inside = sum(each.is_dir(follow_symlinks=False) for each in below)
        assert os.stat(base + os_path(path)).st_nlink == 2 + inside
    assert all(os.stat(base + os_path(path)).st_mtime_ns == 0 for path in tree.implied)


@settings(max_examples=60, deadline=None)
@given(entries=layers())
def test_the_kernel_reads_what_the_entries_say(place: Path, entries: list[Entry]) -> None:
    hashed, image, data = make_layer(place, entries)
    with mounted(image, data) as root:
        assert list(check_tree(root, hashed, ROOT)) == []
        check_numbers(root, LayerTree(hashed))


def test_large_directories_long_names_and_deep_paths(place: Path) -> None:
    entries = [
        *(file(f"many/{i:05}", i % 3) for i in range(5000)),
        *(file("long/" + f"{i}".rjust(255, "-"), 1) for i in range(300)),
        file("/".join("d" * 15 for _ in range(200)) + "/deep", 1),
    ]
    hashed, image, data = make_layer(place, entries)
    with mounted(image, data) as root:
        assert list(check_tree(root, hashed, ROOT)) == []
        assert not (root / "many/05000").exists()
        assert not (root / "many/-").exists()


@pytest.mark.parametrize("size", [2**32 - 1, 2**32, 5 * 2**30 + 1])
def test_files_of_gigabytes(place: Path, size: int) -> None:
    placed, data_size = lay_out([file("first", 700), file("large", size), file("last", 3)])
    image, data = place / "image", place / "data"
    with data.open("wb") as output:
        output.truncate(data_size)
        for entry in placed:
            os.pwrite(output.fileno(), b"end", entry.offset + entry.size - 3)
    image.write_bytes(b"".join(write_image(LayerTree(placed), data_size=data_size)))
    with mounted(image, data) as root:
        assert (root / "last").read_bytes() == b"end"
        with (root / "large").open("rb") as stream:
            assert os.fstat(stream.fileno()).st_size == size
            assert os.pread(stream.fileno(), 10, size - 3) == b"end"
            assert os.pread(stream.fileno(), 10, size - 10**6) == bytes(10)


def read_tar(path: Path) -> list[Entry]:
    with path.open("rb") as stream:
        entries = []
        reader = TarReader(iter(lambda: stream.read(1 << 20), b""))
        for entry in reader:
            if entry.kind is Kind.FILE:
                hasher = hashlib.sha256()
                for piece in reader.content():
                    hasher.update(piece)
                entry = replace(entry, sha256=hasher.digest())
            entries.append(entry)
        return entries


@pytest.mark.parametrize("name", ["busybox_tar", "debian_tar"])
def test_a_distribution(place: Path, request: pytest.FixtureRequest, name: str) -> None:
    tar: Path = request.getfixturevalue(name)
    entries = read_tar(tar)
    assert len(entries) > 100
    tree = LayerTree(entries)
    image = place / "image"
    image.write_bytes(b"".join(write_image(tree, data_size=tar.stat().st_size)))
    assert image.stat().st_size < 150 * len(entries)
    with mounted(image, tar) as root:
        assert list(check_tree(root, entries, ROOT)) == []
        check_numbers(root, tree)


# Overlay mounts


@pytest.fixture
def stack(place: Path) -> Iterator[Path]:
    """A directory for the layers of one overlay."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)


@contextmanager
def overlaid(place: Path, lowers: list[Path], *, writable: bool = False) -> Iterator[Path]:
    """The merged tree; the topmost layer comes first, and changes stay below `place`."""
    upper = [str(place / "upper"), str(place / "work")] if writable else []
    for name in (*upper, str(place / "mountpoint")):
        Path(name).mkdir(exist_ok=True)
    fd = open_overlay(str(place / "mountpoint"), [f"{each}/." for each in lowers], *upper)
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


@contextmanager
def two_layers(place: Path, upper: list[Entry], lower: list[Entry]) -> Iterator[list[Path]]:
    above, below = place / "above", place / "below"
    above.mkdir()
    below.mkdir()
    with (
        mounted(*make_layer(above, upper)[1:]) as top,
        mounted(*make_layer(below, lower)[1:]) as bottom,
    ):
        yield [top, bottom]


def names(root: Path) -> list[str]:
    """All paths below `root`, as readdir gives them."""
    found = []
    for directory, directories, files in os.walk(root):
        at = os.path.relpath(directory, root)
        found += [os.path.normpath(os.path.join(at, each)) for each in (*directories, *files)]
    return sorted(found)


LOWER = [
    folder("etc"),
    file("etc/kept", 5),
    file("etc/gone", 5),
    folder("var"),
    file("var/old", 5),
    file("var/sub/old", 5),
    file("top", 5),
]


@pytest.mark.parametrize("writable", [False, True])
def test_whiteouts_and_opaque_directories_hide_and_do_not_show(stack: Path, writable: bool) -> None:
    upper = [
        file("etc/.wh.gone"),
        file(".wh.top"),
        folder("var"),
        file("var/.wh..wh..opq"),
        file("var/new", 6),
        # Nothing below has these: the whiteouts hide nothing, and must not show either.
        folder("only/here"),
        file("only/here/.wh.x"),
        file("only/here/file", 7),
        file("only/.wh.y"),
    ]
    with (
        two_layers(stack, upper, LOWER) as lowers,
        overlaid(stack, lowers, writable=writable) as root,
    ):
        assert names(root) == [
            "etc",
            "etc/kept",
            "only",
            "only/here",
            "only/here/file",
            "var",
            "var/new",
        ]
        assert not (root / "only/here/x").exists()
        assert (root / "var/new").read_bytes() == b"var/ne"
        assert os.listxattr(root / "only/here") == []


def test_a_file_that_was_copied_up_keeps_its_inode_number(stack: Path) -> None:
    with two_layers(stack, [file("a", 5)], LOWER) as lowers:
        with overlaid(stack, lowers, writable=True) as root:
            before = (root / "etc/kept").stat()
            (root / "etc/kept").chmod(0o600)
        with overlaid(stack, lowers, writable=True) as root:
            after = (root / "etc/kept").stat()
        assert (after.st_mode & 0o777, after.st_ino) == (0o600, before.st_ino)


# Debian's erofs-utils, which take blocks of one page only


@pytest.fixture(scope="module")
def tools() -> tuple[str, str]:
    return need_tool("fsck.erofs", "erofs-utils"), need_tool("dump.erofs", "erofs-utils")


def output_of(*command: str | Path) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, errors="replace"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


WIDE = [
    folder("", mode=0o555),
    folder("d", uid=70_000, xattrs=(("trusted.a", b"shared"),)),
    *(file(f"many/{i:04}", i, mtime=i * 10**9 + i) for i in range(1000)),
    file("d/one", 1, mode=0o755, xattrs=(("trusted.a", b"shared"), ("user.b", b"own"))),
    file("d/pages", 8192),
    file("d/large", 1_000_001),
    file("d/-x"),
    symlink("d/short", "one"),
    symlink("d/long", "x/" * 2040),
    hardlink("d/also", "d/pages"),
]


def test_fsck_finds_no_fault(place: Path, tools: tuple[str, str]) -> None:
    _, image, data = make_layer(place, WIDE, 12)
    extracted = place / "extracted"
    output_of(tools[0], f"--device={data}", f"--extract={extracted}", image)
    for entry in WIDE:
        if entry.kind is Kind.FILE:
            found = (extracted / entry.path).read_bytes()
            assert found == content_of(entry)[: entry.size], entry.path
    assert os.readlink(extracted / "d/long") == "x/" * 2040
    assert (extracted / "d/one").stat().st_mode == stat.S_IFREG | 0o755


@settings(max_examples=25, deadline=None)
@given(entries=layers())
def test_fsck_finds_no_fault_in_any_layer(
    place: Path, tools: tuple[str, str], entries: list[Entry]
) -> None:
    _, image, data = make_layer(place, entries, 12)
    output_of(tools[0], f"--device={data}", "--extract", image)


def test_dump_gives_the_same_figures(place: Path, tools: tuple[str, str]) -> None:
    _, image, data = make_layer(place, WIDE, 12)
    reader = Reader(image.read_bytes())
    dump = (tools[1], f"--device={data}")
    told = output_of(*dump, "-s", image)
    assert figure(told, "Filesystem inode count") == reader.inodes
    # It counts those of the data, too.
    assert figure(told, "Filesystem blocks") == reader.blocks + reader.data_blocks
    numbers = reader.numbers()
    for path in ("", "d", "d/one", "d/large", "d/short", "many", "many/0999"):
        told = output_of(*dump, f"--path=/{path}", image)
        inode = reader.inode(numbers[path])
        assert figure(told, "NID") == numbers[path]
        assert figure(told, "Size") == inode.size
        assert figure(told, "Links") == inode.nlink
        assert figure(told, "Uid") == inode.uid
        access = re.search(r"Access: (\d+)", told)
        assert access is not None
        assert int(access[1], 8) == stat.S_IMODE(inode.mode)
    listed = output_of(*dump, "--ls", "--path=/d", image)
    assert all(text_path(os_path(each)) in listed for each in ("-x", "also", "pages", "short"))


def figure(text: str, name: str) -> int:
    found = re.search(rf"{name}: +(\d+)", text)
    assert found is not None, text
    return int(found[1])
