"""Directory trees in overlayfs form: read as a layer, measured."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from lamina.layer.apply import Applied
from lamina.layer.contract import Listing
from lamina.layer.diff import changes
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.tar import BLOCK
from lamina.layer.tarwriter import encode_header, write_tar
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
    unsynced: Callable[[int], object],
) -> tuple[Applied, int]:
    """Read `root` as a layer in one walk; returns what it is and the length of its tar.

    `feed` gets every byte of the tar, `keep` those that are not content;
    `unsynced` is told, before any is read, how many bytes the files have.  The
    tree is brought to what the entries say (whole seconds), and files that
    `objects` knows are linked to it.
    """
    base = os.fsencode(root) + b"/"
    # Read whole before anything is touched: sharing a file changes its link count.
    sockets: list[str] = []
    found = list(changes(root, whiteouts=whiteouts, sockets=sockets.append))
    # Whoever filled `root` left it in memory: the disk can work while we hash.
    unsynced(sum(entry.size for entry in found))
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
    for path in sockets:
        os.unlink(base + os_path(path))
    offers: dict[str, bytes] = {}
    for entry in entries:
        if entry.kind is Kind.FILE and not entry.is_marker:
            key = None if entry.path in linked else objects.key(entry)
            if key is not None and objects.take(key, base + os_path(entry.path)):
                continue
            _set_time(base + os_path(entry.path), entry)
            if key is not None:
                offers[entry.path] = key
    # Directories last, since linking a shared file in changes its directory's time.
    for entry in reversed(entries):
        if entry.kind not in (Kind.FILE, Kind.HARDLINK):
            _set_time(base + os_path(entry.path), entry)
    os.chmod(root, _ROOT_MODE)
    return Applied(tuple(entries), {}, offers), size + len(_ZEROS)


def _read_file(base: bytes, entry: Entry, offset: int, feed: Callable[[bytes], object]) -> Entry:
    if not entry.size:
        return msgspec.structs.replace(entry, sha256=_EMPTY, offset=offset)
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


def _set_time(path: bytes, entry: Entry) -> None:
    os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def tree_usage(place: Path, listing: Listing, objects: Objects) -> int:
    """Bytes of disk that deleting the layer at `place` alone would free."""
    shared = _shared_inodes(listing.entries, objects)
    freed = 0
    names: dict[int, int] = {}
    todo = [os.fsencode(place)]
    while todo:
        path = todo.pop()
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            freed += status.st_blocks * 512
            todo += [path + b"/" + name for name in os.listdir(path)]
            continue
        inode = status.st_ino
        names[inode] = names.get(inode, 0) + 1
        if names[inode] + (inode in shared) == status.st_nlink:
            freed += status.st_blocks * 512
    return freed


def _shared_inodes(entries: Sequence[Entry], objects: Objects) -> set[int]:
    found = (objects.inode(entry) for entry in entries if entry.kind is Kind.FILE)
    return {status.st_ino for status in found if status is not None}
