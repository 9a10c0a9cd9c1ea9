"""Directory trees in overlayfs form: read as a layer, checked against a listing, measured."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.diff import changes
from lamina.layer.entry import WHITEOUT_PREFIX, Entry, Kind, os_path, text_path
from lamina.layer.listing import StoredListing
from lamina.layer.tar import BLOCK, encode_header, write_tar
from lamina.layer.whiteout import Whiteouts
from lamina.store.objects import Objects

_PIECE = 1 << 20
_ZEROS = bytes(2 * BLOCK)
_EMPTY = hashlib.sha256(b"").digest()
_ROOT_MODE = 0o755


def tar_of_tree(root: Path, whiteouts: Whiteouts) -> Iterator[bytes]:
    """The canonical tar stream of an upper directory (see `layer.diff`)."""
    base = os.fsencode(root) + b"/"
    return write_tar(
        changes(root, whiteouts=whiteouts), lambda entry: _content(base + os_path(entry.path))
    )


def adopt_tree(
    root: Path,
    feed: Callable[[bytes], object],
    keep: Callable[[bytes], object],
    objects: Objects,
    whiteouts: Whiteouts,
) -> tuple[tuple[Entry, ...], int]:
    """Read `root` as a layer in one walk; returns its entries and the length of its tar.

    `feed` gets every byte of the tar, `keep` those that are not content.  The
    tree is brought to what the entries say (whole seconds), and its files are
    shared through `objects`.
    """
    base = os.fsencode(root) + b"/"
    # Read whole before anything is touched: sharing a file changes its link count.
    found = list(changes(root, whiteouts=whiteouts))
    linked = {entry.link for entry in found if entry.kind is Kind.HARDLINK}
    entries: list[Entry] = []
    size = 0
    for entry in found:
        header = encode_header(entry)
        feed(header)
        keep(header)
        size += len(header)
        if entry.kind is Kind.FILE:
            entry = _read_file(base, entry, size, feed)
            padding = _ZEROS[: -entry.size % BLOCK]
            if padding:
                feed(padding)
                keep(padding)
            size += entry.size + len(padding)
        entries.append(entry)
    feed(_ZEROS)
    keep(_ZEROS)
    for entry in entries:
        if entry.kind is Kind.FILE and not entry.is_marker:
            _settle(base, entry, objects, private=entry.path in linked)
    # Directories last, since linking a shared file in changes its directory's time.
    for entry in reversed(entries):
        if entry.kind not in (Kind.FILE, Kind.HARDLINK):
            _set_time(base + os_path(entry.path), entry)
    os.chmod(root, _ROOT_MODE)
    return tuple(entries), size + len(_ZEROS)


def _read_file(base: bytes, entry: Entry, offset: int, feed: Callable[[bytes], object]) -> Entry:
    if not entry.size:
        return msgspec.structs.replace(entry, sha256=_EMPTY)
    hasher = hashlib.sha256()
    for piece in _content(base + os_path(entry.path), entry.size):
        hasher.update(piece)
        feed(piece)
    return msgspec.structs.replace(entry, sha256=hasher.digest(), offset=offset)


def _content(path: bytes, size: int | None = None) -> Iterator[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        left = os.fstat(fd).st_size if size is None else size
        while left and (piece := os.read(fd, min(left, _PIECE))):
            left -= len(piece)
            yield piece
    finally:
        os.close(fd)


def _settle(base: bytes, entry: Entry, objects: Objects, *, private: bool) -> None:
    path = base + os_path(entry.path)
    key = None if private else objects.key(entry)
    if key is not None and objects.take(key, path):
        return
    _set_time(path, entry)
    if key is not None:
        objects.offer(key, path)


def _set_time(path: bytes, entry: Entry) -> None:
    os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def check_tree(root: Path, stored: StoredListing, whiteouts: Whiteouts) -> Iterator[str]:
    """What in the tree is not as the listing says, a clause each, naming the path."""
    live = _live(stored.listing)
    base = os.fsencode(root) + b"/"
    if not os.path.isdir(root):
        yield "its fs/ is missing"
        return
    seen: set[str] = set()
    for path, status in _walk(base, ""):
        seen.add(path)
        entry = live.get(path)
        if entry is None:
            if not _is_accounted(path, status, live, whiteouts):
                yield f"{path!r} is not in its listing"
            continue
        yield from (f"{path!r} {what}" for what in _differences(base, entry, status, live))
    for path in live.keys() - seen:
        if not live[path].is_marker:
            yield f"{path!r} is missing"


def _live(listing: Listing) -> dict[str, Entry]:
    """The entries that have a file in the tree: of each path the last."""
    live: dict[str, Entry] = {}
    for entry in listing.entries:
        if entry.kind is not Kind.DIRECTORY and entry.path in live:
            below = entry.path + "/"
            if live[entry.path].kind is Kind.DIRECTORY:
                for path in [path for path in live if path.startswith(below)]:
                    del live[path]
        live[entry.path] = entry
    live.pop("", None)
    return live


def _walk(base: bytes, path: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(base + os_path(path)) as items:
        found = [(text_path(item.name), item.stat(follow_symlinks=False)) for item in items]
    for name, status in found:
        here = f"{path}/{name}" if path else name
        yield here, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(base, here)


def _is_accounted(
    path: str, status: os.stat_result, live: dict[str, Entry], whiteouts: Whiteouts
) -> bool:
    """Whether a file without an entry of its own follows from others: a whiteout, a parent."""
    parent, slash, name = path.rpartition("/")
    if whiteouts.is_whiteout(status):
        return f"{parent}{slash}{WHITEOUT_PREFIX}{name}" in live
    below = path + "/"
    return stat.S_ISDIR(status.st_mode) and any(each.startswith(below) for each in live)


_TYPES = {
    Kind.FILE: stat.S_ISREG,
    Kind.DIRECTORY: stat.S_ISDIR,
    Kind.SYMLINK: stat.S_ISLNK,
    Kind.CHAR: stat.S_ISCHR,
    Kind.BLOCK: stat.S_ISBLK,
    Kind.FIFO: stat.S_ISFIFO,
}


def _differences(
    base: bytes, entry: Entry, status: os.stat_result, live: dict[str, Entry]
) -> Iterator[str]:
    target = base + os_path(entry.path)
    if entry.kind is Kind.HARDLINK:
        source = os.lstat(base + os_path(_link_source(entry, live)))
        if (source.st_dev, source.st_ino) != (status.st_dev, status.st_ino):
            yield f"is no hard link to {entry.link!r} any more"
        return
    if not _TYPES[entry.kind](status.st_mode):
        yield f"is not a {entry.kind.name.lower()} any more"
        return
    if entry.kind is not Kind.SYMLINK and stat.S_IMODE(status.st_mode) != entry.mode:
        yield f"has mode {stat.S_IMODE(status.st_mode):04o} instead of {entry.mode:04o}"
    if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
        yield f"belongs to {status.st_uid}:{status.st_gid}, not {entry.uid}:{entry.gid}"
    if status.st_mtime_ns != entry.mtime:
        yield "has another modification time"
    if entry.kind is Kind.SYMLINK and text_path(os.readlink(target)) != entry.link:
        yield f"links to {text_path(os.readlink(target))!r} instead of {entry.link!r}"
    if entry.kind in (Kind.CHAR, Kind.BLOCK):
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        if device != entry.device:
            yield f"is device {device} instead of {entry.device}"
    _, xattrs = Whiteouts().attributes(target)
    if xattrs != entry.xattrs:
        yield "has other extended attributes"
    if entry.kind is Kind.FILE:
        if status.st_size != entry.size:
            yield f"is {status.st_size} bytes long instead of {entry.size}"
        elif entry.size and _sha256(target) != entry.sha256:
            yield "has other content"


def _link_source(entry: Entry, live: dict[str, Entry]) -> str:
    return entry.link if entry.link in live else entry.path


def _sha256(path: bytes) -> bytes:
    hasher = hashlib.sha256()
    for piece in _content(path):
        hasher.update(piece)
    return hasher.digest()


def tree_usage(place: Path, listing: Listing, objects: Objects) -> int:
    """Bytes of disk that deleting the layer at `place` alone would free."""
    shared = _shared_inodes(listing.entries, objects)
    freed = 0
    names: dict[int, int] = {}
    for directory, _, files in os.walk(os.fsencode(place)):
        freed += os.lstat(directory).st_blocks * 512
        for name in files:
            status = os.lstat(directory + b"/" + name)
            inode = status.st_ino
            names[inode] = names.get(inode, 0) + 1
            if names[inode] + (inode in shared) == status.st_nlink:
                freed += status.st_blocks * 512
    return freed


def _shared_inodes(entries: Sequence[Entry], objects: Objects) -> set[int]:
    found = (objects.inode(entry) for entry in entries if entry.kind is Kind.FILE)
    return {status.st_ino for status in found if status is not None}
