"""EROFS images, read back by a reader that shares nothing with the writer."""

from __future__ import annotations

import random
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lamina.layer.entry import Entry, Kind, os_path, text_path
from lamina.layer.erofs import write_image
from lamina.layer.errors import BadLayer
from lamina.layer.layer_tree import LayerTree

NANO = 1_000_000_000
TIME = 1_700_000_000 * NANO
TYPES = {
    Kind.FILE: (stat.S_IFREG, 1),
    Kind.DIRECTORY: (stat.S_IFDIR, 2),
    Kind.CHAR: (stat.S_IFCHR, 3),
    Kind.BLOCK: (stat.S_IFBLK, 4),
    Kind.FIFO: (stat.S_IFIFO, 5),
    Kind.SYMLINK: (stat.S_IFLNK, 7),
}
NAMESPACES = {
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    6: "security.",
}


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An access control list of (tag, permissions, id) as attributes have it, version 2."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries)


NO_ID = 0xFFFFFFFF
ACL = acl((1, 7, NO_ID), (2, 5, 1000), (4, 5, NO_ID), (0x10, 7, NO_ID), (0x20, 0, NO_ID))


# A reader


@dataclass(frozen=True)
class Inode:
    """What an image says of a path."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    nlink: int
    device: int = 0
    link: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    content: tuple[int, int] | None = None
    """Offset and length of a file's content in the data file."""


class Reader:
    """An image, taken apart by the letter of erofs_fs.h."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        magic, _, compat, self.bits, slots, self.root, self.inodes, self.epoch = struct.unpack_from(
            "<IIIBBHQQ", image, 1024
        )
        assert (magic, compat, slots) == (0xE0F5E1E2, 2, 0)
        nanos, self.blocks, self.meta, self.shared = struct.unpack_from("<IIII", image, 1056)
        self.uuid = image[1072:1088]
        incompat, algorithms, devices, table, directory_bits = struct.unpack_from(
            "<IHHHB", image, 1104
        )
        assert (nanos, incompat, algorithms, devices, directory_bits) == (0, 12, 0, 1, 0)
        assert image[1088:1104] == bytes(16)
        assert image[1115:1152] == bytes(37)
        self.block = 1 << self.bits
        assert len(image) == self.blocks * self.block
        slot = image[table * 128 : table * 128 + 128]
        self.data_blocks = int.from_bytes(slot[64:68], "little")
        assert slot[:64] == bytes(64)
        assert slot[68:] == bytes(60)

    def numbers(self) -> dict[str, int]:
        """Path → inode number."""
        found = {"": self.root}
        todo = [("", self.root, self.root)]
        while todo:
            path, number, parent = todo.pop()
            entries = list(self.entries(number))
            assert [name for name, _, _ in entries] == sorted({name for name, _, _ in entries})
            assert (b".", number, 2) in entries
            assert (b"..", parent, 2) in entries
            for name, child, kind in entries:
                if name in (b".", b".."):
                    continue
                below = f"{path}/{text_path(name)}" if path else text_path(name)
                found[below] = child
                mode = self.inode(child).mode
                assert (stat.S_IFMT(mode), kind) in TYPES.values()
                if kind == 2:
                    todo.append((below, child, number))
        return found

    def tree(self) -> dict[str, Inode]:
        """Path → what is there."""
        numbers = self.numbers()
        assert len(set(numbers.values())) == self.inodes
        return {path: self.inode(number) for path, number in numbers.items()}

    def inode(self, number: int) -> Inode:
        at = self.meta * self.block + number * 32
        form, words, mode = struct.unpack_from("<HHH", self.image, at)
        if form & 1:
            assert at % self.block + 64 <= self.block
            nb, size, union, ino, uid, gid, seconds, nanos, nlink = struct.unpack_from(
                "<HQIIIIqII", self.image, at + 6
            )
            assert (nb, ino, self.image[at + 48 : at + 64]) == (0, 0, bytes(16))
            head = 64
        else:
            nlink, size, mtime, union, ino, uid, gid, rest = struct.unpack_from(
                "<HIIIIHHI", self.image, at + 6
            )
            assert (mtime, ino, rest) == (0, 0, 0)
            seconds, nanos, head = self.epoch, 0, 32
        assert nanos < NANO
        tail = at + head + (12 + 4 * (words - 1) if words else 0)
        kind = stat.S_IFMT(mode)
        layout = form >> 1
        device, link, content = 0, "", None
        if kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO):
            assert (layout, size) == (0, 0)
            device = union
        elif kind == stat.S_IFREG and size:
            assert layout == 4
            content = self.chunks(tail + -tail % 8, union, size)
        elif kind == stat.S_IFREG:
            assert layout == 0
        elif kind == stat.S_IFLNK:
            link = text_path(self.content(number))
        xattrs = tuple(sorted(self.xattrs(at + head, tail))) if words else ()
        mtime_ns = seconds * NANO + nanos
        return Inode(mode, uid, gid, size, mtime_ns, nlink, device, link, xattrs, content)

    def chunks(self, at: int, form: int, size: int) -> tuple[int, int]:
        assert form & ~0x3F == 0
        assert form & 0x20
        chunk = self.block << (form & 0x1F)
        assert chunk == self.block or chunk < 2 * size
        starts = []
        for index in range(-(-size // chunk)):
            high, device, low = struct.unpack_from("<HHI", self.image, at + 8 * index)
            assert (high, device) == (0, 1)
            starts.append(low * self.block)
        assert starts == [starts[0] + chunk * index for index in range(len(starts))]
        assert starts[0] + size <= self.data_blocks * self.block
        return starts[0], size

    def content(self, number: int) -> bytes:
        """Of a directory or a symlink."""
        at = self.meta * self.block + number * 32
        form, words = struct.unpack_from("<HH", self.image, at)
        size = struct.unpack_from("<Q" if form & 1 else "<I", self.image, at + 8)[0]
        (union,) = struct.unpack_from("<I", self.image, at + 16)
        tail = at + (64 if form & 1 else 32) + (12 + 4 * (words - 1) if words else 0)
        layout = form >> 1
        assert layout in (0, 2)
        inline = size % self.block if layout == 2 else 0
        assert layout == 0 or (inline and at // self.block == (tail + inline - 1) // self.block)
        outside = self.image[union * self.block :][: size - inline] if size > inline else b""
        return outside + self.image[tail : tail + inline]

    def entries(self, number: int) -> Iterator[tuple[bytes, int, int]]:
        content = self.content(number)
        for start in range(0, len(content), self.block):
            block = content[start : start + self.block]
            count = int.from_bytes(block[8:10], "little") // 12
            dirents = [struct.unpack_from("<QHBB", block, 12 * i) for i in range(count)]
            ends = [dirent[1] for dirent in dirents[1:]] + [len(block)]
            for (nid, offset, kind, zero), end in zip(dirents, ends, strict=True):
                assert zero == 0
                yield block[offset:end].rstrip(b"\0"), nid, kind

    def xattrs(self, at: int, end: int) -> Iterator[tuple[str, bytes]]:
        name_filter, count, zeros = struct.unpack_from("<IB7s", self.image, at)
        assert (name_filter, zeros) == (0, bytes(7))
        at += 12
        for each in range(count):
            (word,) = struct.unpack_from("<I", self.image, at + 4 * each)
            yield self.xattr(self.shared * self.block + 4 * word)[0]
        at += 4 * count
        while at < end:
            attribute, at = self.xattr(at)
            yield attribute
        assert at == end

    def xattr(self, at: int) -> tuple[tuple[str, bytes], int]:
        length, index, size = struct.unpack_from("<BBH", self.image, at)
        name = NAMESPACES[index] + text_path(self.image[at + 4 : at + 4 + length])
        at += 4 + length
        value = self.image[at : at + size]
        at += size
        return (name, value), at + -at % 4


def expected(tree: LayerTree) -> dict[str, Inode]:
    """Path → what an image of `tree` must say of it."""
    subdirectories = dict.fromkeys(tree.directories, 0)
    for path in tree.directories - {""}:
        subdirectories[path.rpartition("/")[0]] += 1
    names: dict[int, int] = {}
    for maker in tree.makers.values():
        names[id(maker)] = names.get(id(maker), 0) + 1
    found = {path: Inode(stat.S_IFCHR, 0, 0, 0, 0, len(tree.whiteouts)) for path in tree.whiteouts}
    implied = {path: Entry(path, Kind.DIRECTORY, 0o755, 0, 0, 0, 0) for path in tree.implied}
    for path, entry in {**tree.makers, **implied}.items():
        xattrs = dict(entry.xattrs)
        if path in tree.opaque:
            xattrs["trusted.overlay.opaque"] = b"y"
        if any(each.rpartition("/")[0] == path for each in tree.whiteouts):
            xattrs["trusted.overlay.origin"] = b""
        is_directory = entry.kind is Kind.DIRECTORY
        inode = Inode(
            entry.mode | TYPES[entry.kind][0],
            entry.uid,
            entry.gid,
            entry.size if entry.kind is Kind.FILE else len(os_path(entry.link)),
            entry.mtime,
            2 + subdirectories[path] if is_directory else names[id(entry)],
            encode_device(*entry.device),
            entry.link,
            tuple(sorted(xattrs.items())),
            (entry.offset, entry.size) if entry.size else None,
        )
        found[path] = inode
    return found


def encode_device(major: int, minor: int) -> int:
    return (minor & 0xFF) | (major << 8) | ((minor >> 8) << 20)


def without_directory_sizes(tree: dict[str, Inode]) -> dict[str, Inode]:
    """How long a directory is, is a matter of its own."""
    return {
        path: inode if not stat.S_ISDIR(inode.mode) else Inode(**{**vars(inode), "size": 0})
        for path, inode in tree.items()
    }


# Trees


def lay_out(entries: list[Entry], block: int = 512) -> tuple[list[Entry], int]:
    """The entries with their contents one after the other in a data file, and its size."""
    at = 0
    placed = []
    for entry in entries:
        if entry.kind is Kind.FILE:
            placed.append(replace(entry, offset=at))
            at += entry.size + -entry.size % block
        else:
            placed.append(entry)
    return placed, at + 2 * block


def folder(path: str, **changes: object) -> Entry:
    return replace(Entry(path, Kind.DIRECTORY, 0o755, 0, 0, 0, TIME), **changes)


def file(path: str, size: int = 0, **changes: object) -> Entry:
    return replace(Entry(path, Kind.FILE, 0o644, 0, 0, size, TIME), **changes)


def symlink(path: str, link: str, **changes: object) -> Entry:
    return replace(Entry(path, Kind.SYMLINK, 0o777, 0, 0, 0, TIME, link), **changes)


def hardlink(path: str, link: str) -> Entry:
    return Entry(path, Kind.HARDLINK, 0o644, 0, 0, 0, TIME, link)


def device(path: str, kind: Kind, major: int = 0, minor: int = 0) -> Entry:
    return Entry(path, kind, 0o600, 0, 0, 0, TIME, device=(major, minor))


def image_of(entries: list[Entry], block_bits: int = 9) -> bytes:
    placed, size = lay_out(entries, 1 << block_bits)
    return b"".join(write_image(LayerTree(placed), data_size=size, block_bits=block_bits))


def check(entries: list[Entry], block_bits: int = 9) -> Reader:
    """The image says what the entries say."""
    placed, size = lay_out(entries, 1 << block_bits)
    tree = LayerTree(placed)
    reader = Reader(b"".join(write_image(tree, data_size=size, block_bits=block_bits)))
    assert reader.bits == block_bits
    assert reader.data_blocks == -(-size >> block_bits)
    assert without_directory_sizes(reader.tree()) == without_directory_sizes(expected(tree))
    return reader


NAMES = st.sampled_from(["-x", "\x01", ".a", "..a", "...", "a", "b", "caf\udce9", "é", "n" * 255])
ANY_NAME = st.binary(min_size=1, max_size=255).map(
    lambda raw: text_path(raw.replace(b"/", b"s").replace(b"\0", b"z"))
)
NAME = (NAMES | ANY_NAME).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.")
)
OWNER = st.sampled_from([0, 0, 1000, 65535, 65536, 0xFFFFFFFE])
MTIME = st.sampled_from(
    [TIME, TIME, 0, NANO, TIME + 1, TIME + 999_999_999, -1, -NANO, -5 * NANO - 1, 1 << 62]
)
SIZE = st.sampled_from([0, 1, 511, 512, 513, 4095, 4096, 4097, 70_000])
VALUE = st.sampled_from([b"", b"y", b"shared" * 20]) | st.binary(max_size=700)
PRIVILEGED = st.dictionaries(
    st.sampled_from(["trusted.a", "trusted.a.b", "security.lamina", "security." + "s" * 246]),
    VALUE,
    max_size=3,
)
USER = st.dictionaries(st.sampled_from(["user.a", "user.é", "user." + "u" * 250]), VALUE)
ACCESS = st.sampled_from([{}, {"system.posix_acl_access": ACL}])
DEFAULT = st.sampled_from([{}, {"system.posix_acl_default": ACL}])
LINK = st.sampled_from(["a", "../é", "x" * 448, "x" * 449, "x" * 480, "x" * 512, "x" * 4095])


@st.composite
def layers(draw: st.DrawFn) -> list[Entry]:
    """The entries of a layer, markers and hard links among them; contents have no place yet."""
    directories = [""]
    entries: list[Entry] = []
    taken = {""}
    linkable: list[str] = []
    for _ in range(draw(st.integers(0, 25))):
        parent = draw(st.sampled_from(directories))
        name = draw(NAME)
        path = f"{parent}/{name}" if parent else name
        what = draw(st.sampled_from("ddffffllhcbpwo"))
        if path in taken or len(os_path(path)) > 2000:
            continue
        if what == "w":
            place = path.rpartition("/")
            entries.append(file(place[0] + place[1] + ".wh." + place[2][:60]))
            continue
        if what == "o":
            entries.append(file(f"{parent}/.wh..wh..opq" if parent else ".wh..wh..opq"))
            continue
        if what == "h":
            if linkable:
                taken.add(path)
                entries.append(hardlink(path, draw(st.sampled_from(linkable))))
            continue
        taken.add(path)
        if what == "d":
            directories.append(path)
            if draw(st.booleans()):
                continue  # it may be implied
        else:
            linkable.append(path)
        entries.append(_member(draw, path, what))
    if draw(st.booleans()):
        entries.append(_member(draw, "", "d"))
    return entries


def _member(draw: st.DrawFn, path: str, what: str) -> Entry:
    xattrs = draw(PRIVILEGED)
    if what in "fd":
        xattrs |= draw(USER) | draw(ACCESS)
    if what == "d":
        xattrs |= draw(DEFAULT)
    common = {
        "mode": 0o777 if what == "l" else draw(st.sampled_from([0, 0o644, 0o755, 0o7777])),
        "uid": draw(OWNER),
        "gid": draw(OWNER),
        "mtime": draw(MTIME),
        "xattrs": tuple(sorted(xattrs.items())) if draw(st.booleans()) else (),
    }
    if what == "d":
        return folder(path, **common)
    if what == "l":
        return symlink(path, draw(LINK), **common)
    if what == "f":
        return file(path, draw(SIZE), **common)
    if what == "p":
        return replace(device(path, Kind.FIFO), **common)
    numbers = draw(st.sampled_from([(0, 1), (1, 3), (4095, 0xFFFFF), (8, 256)]))
    kind = Kind.CHAR if what == "c" else Kind.BLOCK
    return replace(device(path, kind, *numbers), **common)


# Tests


@settings(max_examples=200, deadline=None)
@given(layers(), st.sampled_from([9, 12]))
def test_an_image_says_what_the_entries_say(entries: list[Entry], block_bits: int) -> None:
    check(entries, block_bits)


@settings(max_examples=50, deadline=None)
@given(layers(), st.randoms(use_true_random=False))
def test_the_order_in_which_paths_were_met_does_not_show(
    entries: list[Entry], order: random.Random
) -> None:
    placed, size = lay_out(entries)
    tree = LayerTree(placed)
    first = b"".join(write_image(tree, data_size=size))
    for paths in ("implied", "whiteouts", "opaque"):
        shuffled = sorted(getattr(tree, paths))
        order.shuffle(shuffled)
        setattr(tree, paths, set(shuffled))
    makers = sorted(tree.makers.items())
    order.shuffle(makers)
    tree.makers = dict(makers)
    assert b"".join(write_image(tree, data_size=size)) == first


def test_a_layer_of_nothing_is_four_blocks() -> None:
    image = image_of([])
    assert len(image) == 4 * 512
    assert image[:1024] == bytes(1024)
    superblock = image[1024:1152]
    assert superblock[:48].hex(" ", 4) == (
        "e2e1f5e0 00000000 02000000 09000100 01000000 00000000 00000000 00000000"
        " 00000000 04000000 03000000 03000000"
    )
    assert superblock[64:].hex() == "00" * 16 + "0c000000" + "0000" + "0100" + "0900" + "00" * 38
    assert image[1152:1536].hex() == "00" * 64 + "02000000" + "00" * 316
    # The root: compact, inline, 0755, two links, 27 bytes; then `.` and `..`, both number 1.
    assert image[1536:].hex() == "00" * 32 + (
        "0400 0000 ed41 0200 1b000000 00000000 ffffffff 00000000 0000 0000 00000000"
        "0100000000000000 1800 02 00 0100000000000000 1900 02 00 2e2e2e"
    ).replace(" ", "") + "00" * (512 - 32 - 32 - 27)


def test_a_file_is_one_index_into_the_data() -> None:
    image = image_of([folder(""), file("skipped", 1), file("a", 700, uid=7, gid=8, mode=0o4755)])
    inode = (
        "0800 0000 ed89 0100 bc020000 00000000 21000000 00000000 0700 0800 00000000"
        "0000 0100 01000000"
    ).replace(" ", "")
    assert bytes.fromhex(inode) in image


def test_the_uuid_tells_images_apart() -> None:
    uuids = {Reader(image_of([file(name)])).uuid for name in ("a", "b")}
    assert len(uuids) == 2


def test_most_inodes_are_short() -> None:
    late = [file(f"late{i}", mtime=TIME + NANO * i) for i in range(1, 4)]
    reader = check([folder(""), file("a"), *late])
    assert reader.epoch == TIME // NANO
    numbers = reader.numbers()
    forms = {
        path: reader.image[reader.meta * 512 + number * 32] & 1 for path, number in numbers.items()
    }
    assert forms == {"": 0, "a": 0, "late1": 1, "late2": 1, "late3": 1}


def test_the_epoch_is_the_smallest_of_the_commonest_whole_seconds() -> None:
    times = [5 * NANO, 5 * NANO, 3 * NANO, 3 * NANO, -NANO, -NANO, -NANO, 7, 7, 7, 9 * NANO]
    entries = [folder("", mtime=9 * NANO + 1)]
    entries += [file(f"f{i}", mtime=time) for i, time in enumerate(times)]
    assert check(entries).epoch == 3
    assert check([folder("", mtime=-NANO)]).epoch == 0


def test_an_entry_that_differs_from_its_path_keeps_its_own_count() -> None:
    entries = [file("a", 5), hardlink("b", "a"), hardlink("d/c", "b"), file("a", 6)]
    tree = check(entries).tree()
    assert (tree["a"].nlink, tree["b"].nlink, tree["d/c"].nlink) == (1, 2, 2)
    assert tree["a"].content != tree["b"].content


@pytest.mark.parametrize("count", [65_535, 65_536])
def test_many_links(count: int) -> None:
    tree = LayerTree([folder(""), file("a", 3)])
    tree.makers |= dict.fromkeys(map(str, range(count - 1)), tree.makers["a"])
    reader = Reader(b"".join(write_image(tree, data_size=512)))
    (number,) = {number for _, number, kind in reader.entries(reader.root) if kind == 1}
    assert reader.inode(number).nlink == count


@pytest.mark.parametrize("block_bits", [9, 12])
@pytest.mark.parametrize(("count", "length"), [(29, 4), (30, 4), (31, 4), (3000, 4), (3000, 255)])
def test_directories_of_any_length(block_bits: int, count: int, length: int) -> None:
    names = [f"{i:04}".ljust(length, "n") for i in range(count)]
    check([folder(""), folder("d"), *(file(f"d/{name}") for name in names)], block_bits)


def test_a_directory_that_fills_its_block_lies_outside() -> None:
    # `.` and `..` take 27 bytes of the 512, so that one name of 255 and one of 206 fill it up.
    entries = [folder(""), file("a" * 255), file("b" * 206)]
    reader = check(entries)
    assert reader.inode(reader.root).size == 512
    reader = check([*entries, file("c")])
    assert reader.inode(reader.root).size == 512 + 13


def test_a_deep_tree() -> None:
    path = "/".join(f"{depth}" for depth in range(900))
    reader = check([file(path + "/f", 1)])
    assert reader.inodes == 902


@pytest.mark.parametrize("size", [1, 2**32 - 1, 2**32, 2**40, 2**40 + 1, 3 * 2**39 + 512])
def test_large_files(size: int) -> None:
    check([folder(""), file("a", size), file("b", 1)])


def test_attributes_of_several_inodes_are_stored_once() -> None:
    value = b"only once" * 9
    marked = [file(f"f{i}", 1, xattrs=(("user.a", value), ("user.n", b"%d" % i))) for i in range(9)]
    image = check([folder(""), *marked]).image
    assert image.count(value) == 1


def test_more_attributes_than_can_be_shared() -> None:
    xattrs = tuple((f"user.{i:03}", b"v") for i in range(300))
    check([folder(""), file("a", 1, xattrs=xattrs), folder("b", xattrs=xattrs)])


def test_a_long_value() -> None:
    check([file("a", 1, xattrs=(("security.b", bytes(65535)), ("user.c", b"d" * 65535)))])


def test_pieces_are_about_a_mebibyte() -> None:
    entries, size = lay_out([file(f"{i % 50}/{i}", i) for i in range(30_000)])
    pieces = [len(piece) for piece in write_image(LayerTree(entries), data_size=size)]
    assert sum(pieces) > 2 << 20
    assert max(pieces) < 1.1 * (1 << 20)


def test_a_directory_that_only_has_whiteouts() -> None:
    tree = check([file("usr/.wh.a"), file("usr/.wh.b"), file(".wh.c")]).tree()
    assert tree["usr"].xattrs == tree[""].xattrs == (("trusted.overlay.origin", b""),)
    assert (tree["c"].mode, tree["c"].device) == (stat.S_IFCHR, 0)


BAD: dict[str, tuple[list[Entry], str]] = {
    "an unknown name space": (
        [file("a", xattrs=(("system.nfs4_acl", b""),))],
        r"'system.nfs4_acl' of 'a' .* name",
    ),
    "an attribute without name space": ([file("a", xattrs=(("user", b""),))], "'user' of 'a'"),
    "an attribute without a name": ([file("a", xattrs=(("user.", b""),))], "'user.' of 'a'"),
    "a zero in its name": ([file("a", xattrs=(("user.\0", b""),))], "of 'a'"),
    "a long name": ([file("a", xattrs=(("user." + "a" * 251, b""),))], "of 'a' .* 255"),
    "a long value": ([file("a", xattrs=(("user.a", bytes(65536)),))], "of 'a' .* 65535"),
    "too many names": (
        [file("a", xattrs=tuple((f"user.{i:0250}", b"") for i in range(257)))],
        "'a' has 257",
    ),
    "too much altogether": (
        [file("a", xattrs=tuple((f"user.{i}", bytes(60_000)) for i in range(5)))],
        "'a' has 300",
    ),
    "a user's attribute of a link": (
        [symlink("a", "b", xattrs=(("user.a", b""),))],
        "'user.a' of 'a' .* symlink",
    ),
    "an access list of a link": (
        [symlink("a", "b", xattrs=(("system.posix_acl_access", ACL),))],
        "of 'a' .* symlink",
    ),
    "a default of a file": (
        [file("a", xattrs=(("system.posix_acl_default", ACL),))],
        "of 'a' .* file",
    ),
    "no access list": ([file("a", xattrs=(("system.posix_acl_access", b"7"),))], "of 'a' .* list"),
    "a link of 4096 bytes": ([symlink("a", "b" * 4096)], "'a' links"),
    "a link to nothing": ([symlink("a", "")], "'a' links"),
    "a long path component": ([file("d/" + "n" * 256)], "255 bytes in 'd'"),
    "an owner": ([file("a", uid=0xFFFFFFFF)], "'a' belongs to 4294967295:0"),
    "a group": ([folder("a", gid=0xFFFFFFFF)], "'a' belongs to 0:4294967295"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused_by_name(name: str) -> None:
    entries, message = BAD[name]
    with pytest.raises(BadLayer, match=message):
        image_of(entries)


def test_data_beyond_what_blocks_can_number_is_refused() -> None:
    tree = LayerTree([])
    with pytest.raises(BadLayer, match="more than an image can point into"):
        write_image(tree, data_size=512 * 0xFFFFFFFF)
    assert Reader(b"".join(write_image(tree, data_size=512 * 0xFFFFFFFE))).data_blocks == 0xFFFFFFFE


@pytest.mark.parametrize(("offset", "size"), [(256, 10), (512, 1025), (2048, 1)])
def test_content_where_the_data_has_none_is_a_mistake(offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="'a'"):
        write_image(LayerTree([file("a", size, offset=offset)]), data_size=1536)
