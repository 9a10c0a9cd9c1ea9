"""The EROFS image of a layer: everything but the contents, which stay in the layer's tar.  Pure.

Format: Linux Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h; little endian.
Only what Linux 6.12 reads is used.  The parts of an image, each of whole blocks:

head         the superblock and the device table
outside      attributes that several inodes share, and what has no room beside its inode:
             blocks of directories, long targets of symlinks
directories  their inodes, the root's first
others       all other inodes
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import accumulate
from struct import Struct

import msgspec
from msgspec.structs import replace

from lamina.layer.entry import MAX_NAME, Entry, Kind, os_path
from lamina.layer.erofs_xattr import Attributes, check_attributes, count_words
from lamina.layer.errors import BadLayer
from lamina.layer.layer_tree import IMPLIED_MODE, LayerTree
from lamina.layer.tar import NANO
from lamina.layer.whiteout import ROOT

_PIECE = 1 << 20

_SUPERBLOCK_AT = 1024
_SUPERBLOCK = Struct("<I4xIBxHQQ4xIII16s16xI2xHH38x")
_DEVICE_SLOT = Struct("<64xI60x")
_COMPACT = Struct("<HHHHIIIIHH4x")
_EXTENDED = Struct("<HHHHQIIIIqII16x")
_CHUNK_INDEX = Struct("<HHI")
_SHORT_FILE = Struct("<HHHHIIIIHH4xHHI24x")
"""A compact inode, the one index of its content, and the padding: most of a layer is these."""
_DIRENT = Struct("<QHBx")

_MAGIC = 0xE0F5E1E2
_MTIME = 2  # feature_compat: times are of modification
_CHUNKED_FILES, _DEVICE_TABLE = 4, 8  # feature_incompat
_SLOT = 32
"""An inode's number is its position in units of so many bytes."""
_PLAIN, _INLINE, _CHUNKED = 0 << 1, 2 << 1, 4 << 1  # i_format: where the content lies
_IS_EXTENDED = 1
_INDEXES = 0x20  # chunk format: indexes, which name a device, not block numbers
_MAX_CHUNK_BITS = 31
_DATA_DEVICE = 1
_NO_BLOCK = 0xFFFFFFFF
_MODES = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHAR: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}
_DIRENT_TYPES = {
    Kind.FILE: 1,
    Kind.DIRECTORY: 2,
    Kind.CHAR: 3,
    Kind.BLOCK: 4,
    Kind.FIFO: 5,
    Kind.SYMLINK: 7,
}
_PADDING = [bytes(count) for count in range(_SLOT)]
_FILE, _DIRECTORY, _SYMLINK = Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK

# Of Linux, whatever the file system.
_MAX_LINK = 4095
_NOBODY = 0xFFFFFFFF

_WHITEOUT = Entry("", Kind.CHAR, 0, 0, 0, 0, 0)
"""One inode for all whiteouts of a layer: overlayfs shows nothing of it."""
_OPAQUE = (ROOT.prefix + "opaque", b"y")
_HAS_WHITEOUTS = (ROOT.prefix + "origin", b"")
"""Without it, overlayfs lists the whiteouts of a directory that only this layer has."""


def write_image(tree: LayerTree, *, data_size: int, block_bits: int = 9) -> Iterator[bytes]:
    """The EROFS image of a layer whose file contents lie in one data file (`device=`) of
    `data_size` bytes, each at its `Entry.offset`: a multiple of the block size, 2 ** `block_bits`.

    The image comes in pieces of about 1 MiB and depends on the arguments alone.
    Directories that have no entry belong to root and date from 1970.  Whiteouts and
    opaque directories are marked as root's overlay mounts have them.

    Raises BadLayer, before there is a piece, for what EROFS or Linux cannot hold.
    """
    return _Image(tree, data_size, block_bits).pieces()


class _Area:
    """Bytes that only grow."""

    def __init__(self, start: int) -> None:
        self.end = start
        """Position of the next byte, where that of the first is `start`."""
        self._pieces: list[bytes] = []
        self._recent: list[bytes] = []
        self._enough = start + _PIECE

    def append(self, data: bytes) -> None:
        self._recent.append(data)
        self.end += len(data)
        if self.end >= self._enough:
            self._pieces.append(b"".join(self._recent))
            self._recent.clear()
            self._enough = self.end + _PIECE

    def pad(self, position: int) -> None:
        """Zeros up to `position`."""
        if self.end < position:
            self.append(bytes(position - self.end))

    def pieces(self) -> list[bytes]:
        return [*self._pieces, b"".join(self._recent)]


def _inodes_by_path(tree: LayerTree) -> dict[str, Entry]:
    """Path → what the image has there; the same object twice is one inode of two names."""
    paths = dict(tree.makers)
    for path in tree.implied:
        paths[path] = Entry(path, _DIRECTORY, IMPLIED_MODE, 0, 0, 0, 0)
    for entry in paths.values():
        if entry.xattrs:
            check_attributes(entry)
    marks = {path: [_OPAQUE] for path in tree.opaque}
    for path in tree.whiteouts:
        paths[path] = _WHITEOUT
        listed = marks.setdefault(path.rpartition("/")[0], [])
        if _HAS_WHITEOUTS not in listed:
            listed.append(_HAS_WHITEOUTS)
    for path, added in marks.items():
        entry = paths[path]
        paths[path] = replace(entry, xattrs=tuple(sorted((*entry.xattrs, *added))))
    return paths


def _by_directory(paths: dict[str, Entry]) -> dict[str, list[tuple[bytes, Entry]]]:
    """Directory → the names in it, `.` and `..` first; a directory comes before those in it."""
    names: dict[str, list[tuple[bytes, Entry]]] = {}
    for path in sorted(path for path, entry in paths.items() if entry.kind is _DIRECTORY):
        names[path] = [(b".", paths[path]), (b"..", paths[path.rpartition("/")[0]])]
    for path, entry in paths.items():
        if path:
            parent, _, name = path.rpartition("/")
            names[parent].append((os_path(name), entry))
    return names


def _count_links(paths: dict[str, Entry]) -> dict[int, int]:
    """Identity of each entry that is at another path than its own → at how many it is."""
    links: dict[int, int] = {}
    for path, entry in paths.items():
        if entry.path != path:
            own = int(paths.get(entry.path) is entry)
            links[id(entry)] = links.get(id(entry), own) + 1
    return links


def _most_common_second(entries: Iterable[Entry]) -> int:
    counts = Counter(entry.mtime for entry in entries)
    whole = [(-count, time) for time, count in counts.items() if time >= 0 and time % NANO == 0]
    return min(whole)[1] // NANO if whole else 0


def _blocks(size: int, block_bits: int) -> int:
    """How many blocks that many bytes take."""
    return -(-size >> block_bits)


def _cut(names: list[bytes], block: int) -> tuple[list[int], int]:
    """After how many names each block of a directory ends, and how many bytes the last has."""
    used = _DIRENT.size * len(names) + sum(map(len, names))
    if used <= block:
        return [len(names)], used
    cuts: list[int] = []
    used = 0
    for index, name in enumerate(names):
        size = _DIRENT.size + len(name)
        if used + size > block:
            cuts.append(index)
            used = 0
        used += size
    return [*cuts, len(names)], used


class _Directory(msgspec.Struct):
    """A directory that has its place, while its files may not have theirs yet."""

    entry: Entry
    names: list[tuple[bytes, Entry]]
    """Sorted, as the kernel searches them."""
    cuts: list[int]
    """See `_cut`."""
    size: int
    links: int
    inline: bool
    """Whether the last block lies beside the inode."""
    at: int
    """Position of the inode."""


class _Image:
    """An image in the making.

    Directories first, because each holds the numbers of those above and below it:
    their sizes depend on names alone, so all get their places before any is written.
    """

    def __init__(self, tree: LayerTree, data_size: int, block_bits: int) -> None:
        if _blocks(data_size, block_bits) >= _NO_BLOCK:
            raise BadLayer(f"a layer of {data_size} bytes is more than an image can point into")
        self._block_bits = block_bits
        self._block = 1 << block_bits
        self._data_size = data_size
        paths = _inodes_by_path(tree)
        inodes = {id(entry): entry for entry in paths.values()}
        self._inodes = len(inodes)
        self._epoch = _most_common_second(inodes.values())
        self._short_mtime = self._epoch * NANO
        self._links = _count_links(paths)
        self._linked: dict[int, int] = {}
        """Identity of an entry with several names → its inode's number, once it has one."""
        self._attributes = Attributes(entry for entry in inodes.values() if entry.xattrs)
        head = _SUPERBLOCK_AT + _SUPERBLOCK.size + _DEVICE_SLOT.size
        self._head_blocks = _blocks(head, block_bits)
        self._outside = _Area(self._head_blocks << block_bits)
        self._write_outside([self._attributes.shared_area])
        self._directories: dict[str, _Directory] = {}
        end = self._place_directories(_by_directory(paths))
        self._directory_inodes = _Area(0)
        self._other_inodes = _Area(end)
        for directory in self._directories.values():
            self._write_directory(directory)
        self._directory_inodes.pad(end)
        self._other_inodes.pad(self._end_of_block(self._other_inodes.end))

    def pieces(self) -> Iterator[bytes]:
        """All of it, in order."""
        areas = (self._outside, self._directory_inodes, self._other_inodes)
        pieces = [piece for area in areas for piece in area.pieces()]
        # Overlayfs knows lower layers by their uuids, to tell what a file was copied up from.
        hasher = sha256()
        for piece in pieces:
            hasher.update(piece)
        yield self._head(hasher.digest()[:16])
        yield from pieces

    def _head(self, uuid: bytes) -> bytes:
        inodes_block = self._outside.end >> self._block_bits
        superblock = _SUPERBLOCK.pack(
            _MAGIC,
            _MTIME,
            self._block_bits,
            self._directories[""].at // _SLOT,
            self._inodes,
            self._epoch,
            inodes_block + (self._other_inodes.end >> self._block_bits),
            inodes_block,
            self._head_blocks,  # where the shared attributes begin
            uuid,
            _CHUNKED_FILES | _DEVICE_TABLE,
            1,
            (_SUPERBLOCK_AT + _SUPERBLOCK.size) // _DEVICE_SLOT.size,
        )
        slot = _DEVICE_SLOT.pack(_blocks(self._data_size, self._block_bits))
        head = bytes(_SUPERBLOCK_AT) + superblock + slot
        return head.ljust(self._head_blocks << self._block_bits, b"\0")

    def _end_of_block(self, position: int) -> int:
        return position + -position % self._block

    def _fit(self, position: int, size: int) -> int:
        """The first place from `position` on where `size` bytes lie in one block."""
        room = -position % self._block
        return position + room if room < size <= self._block and room else position

    def _place_directories(self, by_directory: dict[str, list[tuple[bytes, Entry]]]) -> int:
        """Find each directory its place; returns where what follows them begins."""
        at = _SLOT  # inode number 0 stands for none in some places
        for path, inside in by_directory.items():
            entry = inside[0][1]
            inside.sort()
            names = [name for name, _ in inside]
            if max(map(len, names)) > MAX_NAME:
                raise BadLayer(f"a name of over {MAX_NAME} bytes in {path!r}")
            cuts, used = _cut(names, self._block)
            size = ((len(cuts) - 1) << self._block_bits) + used
            links = sum(child.kind is _DIRECTORY for _, child in inside)
            core = self._core_size(entry, size, links)
            head = core + len(self._attributes.of(entry))
            inline = used < self._block and head + used <= self._block
            at = self._fit(at, head + used if inline else core)
            self._directories[path] = _Directory(entry, inside, cuts, size, links, inline, at)
            at += head + used if inline else head
            at += -at % _SLOT
        return self._end_of_block(at)

    def _write_directory(self, directory: _Directory) -> None:
        blocks = _dirent_blocks(directory, [self._number(child) for _, child in directory.names])
        tail = blocks.pop() if directory.inline else b""
        entry = directory.entry
        layout = _INLINE if directory.inline else _PLAIN
        union = self._write_outside(blocks) if blocks else _NO_BLOCK
        xattrs = self._attributes.of(entry)
        core = self._core(entry, layout, directory.size, directory.links, union, xattrs)
        self._directory_inodes.pad(directory.at)
        self._directory_inodes.append(core + xattrs + tail)

    def _write_outside(self, blocks: Iterable[bytes]) -> int:
        """Write each at the beginning of a block; returns the number of the first block."""
        area = self._outside
        first = area.end >> self._block_bits
        for block in blocks:
            area.append(block)
            area.pad(self._end_of_block(area.end))
        return first

    def _number(self, entry: Entry) -> int:
        """The inode's number.  All but directories are written when first asked for."""
        kind = entry.kind
        if kind is _DIRECTORY:
            return self._directories[entry.path].at // _SLOT
        links = self._links.get(id(entry), 1)
        if links > 1 and id(entry) in self._linked:
            return self._linked[id(entry)]
        if kind is _FILE:
            number = self._write_file(entry, links)
        elif kind is _SYMLINK:
            number = self._write_symlink(entry, links)
        else:
            number = self._write_inode(entry, links, union=_device_number(entry))
        if links > 1:
            self._linked[id(entry)] = number
        return number

    def _write_file(self, entry: Entry, links: int) -> int:
        size, offset = entry.size, entry.offset
        if not size:
            return self._write_inode(entry, links)
        if offset % self._block or offset + size > self._data_size:
            raise ValueError(f"{entry.path!r}: no content of {size} bytes at {offset}")
        block = offset >> self._block_bits
        bits = (size - 1 >> self._block_bits).bit_length()
        if bits > _MAX_CHUNK_BITS:
            return self._write_chunks(entry, links, block)
        union = _INDEXES | bits
        if entry.xattrs or not self._is_compact(entry, size, links):
            index = _CHUNK_INDEX.pack(0, _DATA_DEVICE, block)
            return self._write_inode(entry, links, _CHUNKED, size, union, index)
        mode, uid, gid = entry.mode | stat.S_IFREG, entry.uid, entry.gid
        area = self._other_inodes
        number = area.end // _SLOT
        area.append(
            _SHORT_FILE.pack(
                _CHUNKED, 0, mode, links, size, 0, union, 0, uid, gid, 0, _DATA_DEVICE, block
            )
        )
        return number

    def _write_chunks(self, entry: Entry, links: int, block: int) -> int:
        """A file larger than a chunk can be, in several."""
        end = block + _blocks(entry.size, self._block_bits)
        starts = range(block, end, 1 << _MAX_CHUNK_BITS)
        indexes = b"".join(_CHUNK_INDEX.pack(0, _DATA_DEVICE, start) for start in starts)
        union = _INDEXES | _MAX_CHUNK_BITS
        return self._write_inode(entry, links, _CHUNKED, entry.size, union, indexes)

    def _write_symlink(self, entry: Entry, links: int) -> int:
        target = os_path(entry.link)
        size = len(target)
        if not 0 < size <= _MAX_LINK:
            raise BadLayer(f"{entry.path!r} links to a name of {size} bytes")
        head = self._core_size(entry, size, links) + len(self._attributes.of(entry))
        if head + size <= self._block:
            return self._write_inode(entry, links, _INLINE, size, _NO_BLOCK, target)
        return self._write_inode(entry, links, _PLAIN, size, self._write_outside([target]))

    def _write_inode(
        self,
        entry: Entry,
        links: int,
        layout: int = _PLAIN,
        size: int = 0,
        union: int = _NO_BLOCK,
        tail: bytes = b"",
    ) -> int:
        xattrs = self._attributes.of(entry) if entry.xattrs else b""
        core = self._core(entry, layout, size, links, union, xattrs)
        if xattrs and layout == _CHUNKED:
            xattrs += bytes(-len(xattrs) % _CHUNK_INDEX.size)
        record = core + xattrs + tail
        area = self._other_inodes
        room = -area.end % self._block
        if 0 < room < (len(record) if layout == _INLINE else len(core)):
            area.append(bytes(room))
        number = area.end // _SLOT
        area.append(record + _PADDING[-len(record) % _SLOT])
        return number

    def _core_size(self, entry: Entry, size: int, links: int) -> int:
        return _COMPACT.size if self._is_compact(entry, size, links) else _EXTENDED.size

    def _is_compact(self, entry: Entry, size: int, links: int) -> bool:
        """Whether the short form of inode says all there is to say.

        Its time is the epoch before Linux 6.15, and since then the epoch and what the
        inode adds; so it adds 0 here.
        """
        return (
            entry.mtime == self._short_mtime
            and entry.uid <= 0xFFFF
            and entry.gid <= 0xFFFF
            and size <= 0xFFFFFFFF
            and links <= 0xFFFF
        )

    def _core(
        self, entry: Entry, layout: int, size: int, links: int, union: int, xattrs: bytes
    ) -> bytes:
        """The inode without what follows it."""
        words = count_words(xattrs) if xattrs else 0
        mode = entry.mode | _MODES[entry.kind]
        uid, gid = entry.uid, entry.gid
        if self._is_compact(entry, size, links):
            return _COMPACT.pack(layout, words, mode, links, size, 0, union, 0, uid, gid)
        if uid >= _NOBODY or gid >= _NOBODY:
            raise BadLayer(f"{entry.path!r} belongs to {uid}:{gid}, whom Linux does not know")
        seconds, nanos = divmod(entry.mtime, NANO)
        layout |= _IS_EXTENDED
        return _EXTENDED.pack(
            layout, words, mode, 0, size, union, 0, uid, gid, seconds, nanos, links
        )


def _dirent_blocks(directory: _Directory, numbers: list[int]) -> list[bytes]:
    """The directory's content, block by block, each as long as it is."""
    blocks: list[bytes] = []
    start = 0
    for end in directory.cuts:
        inside = directory.names[start:end]
        names = [name for name, _ in inside]
        types = [_DIRENT_TYPES[child.kind] for _, child in inside]
        offsets = accumulate(map(len, names), initial=_DIRENT.size * len(names))
        blocks.append(b"".join((*map(_DIRENT.pack, numbers[start:end], offsets, types), *names)))
        start = end
    return blocks


def _device_number(entry: Entry) -> int:
    """Of a device, as Linux stores it (new_encode_dev); 0 for a FIFO."""
    major, minor = entry.device
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
