"""Parts of a container's file system as tar streams, out of it and into it.

Names in a tar are resolved inside the container like any other (`copy`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from lamina.layer.diff import changes
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.tar import TarReader
from lamina.layer.tarwriter import write_tar
from lamina.linux.rooted import make_in, open_in
from lamina.run.copy import (
    NotADirectory,
    NotCopied,
    Owned,
    Tree,
    as_root_of,
    make_room,
    open_directory,
    owner_in,
    owner_of,
    source_of,
    write_all,
)

_CHUNK = 1 << 20


def to_tar(tree: Tree, path: str, *, follow: bool = False) -> Iterator[bytes]:
    """The tar of a file or directory, under its own name.  Raises NoSuchPath."""
    with ExitStack() as stack:
        parent, name = source_of(tree, path, follow, stack)
        base = os.path.basename(os.path.normpath(path))
        base = "" if base in {"", "/", ".", ".."} else base
        yield from tree_tar(parent, name, base, lambda uid, gid: owner_of(tree, uid, gid))


def _same(uid: int, gid: int) -> tuple[int, int]:
    return uid, gid


def tree_tar(parent: int, name: str, base: str, owned: Owned = _same) -> Iterator[bytes]:
    """The tar of `name` in the directory `parent`, its paths beginning with `base`; `owned`
    says who an owner is in it."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        entries: Iterable[Entry] = _single(parent, name, base or name, status)
        yield from write_tar(_given(entries, owned), lambda entry: _content(parent, name))
        return
    root = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    place = f"/proc/self/fd/{root}"  # the walk takes a path: one that only we can lead elsewhere
    try:
        yield from write_tar(
            _given(_prefixed(place, base, os.fstat(root)), owned),
            lambda entry: _content(
                root, entry.path[len(base) :].lstrip("/") if base else entry.path
            ),
        )
    finally:
        os.close(root)


def _given(entries: Iterable[Entry], owned: Owned) -> Iterator[Entry]:
    for entry in entries:
        uid, gid = owned(entry.uid, entry.gid)
        same = (uid, gid) == (entry.uid, entry.gid)
        yield entry if same else msgspec.structs.replace(entry, uid=uid, gid=gid)


def _prefixed(place: str, base: str, status: os.stat_result) -> Iterator[Entry]:
    if base:
        mode = stat.S_IMODE(status.st_mode)
        owner = (status.st_uid, status.st_gid)
        yield Entry(base, Kind.DIRECTORY, mode, *owner, 0, status.st_mtime_ns)
    for entry in changes(Path(place)):
        if not base:
            yield entry
            continue
        link = f"{base}/{entry.link}" if entry.kind is Kind.HARDLINK else entry.link
        yield msgspec.structs.replace(entry, path=f"{base}/{entry.path}", link=link)


def _single(parent: int, name: str, base: str, status: os.stat_result) -> Iterator[Entry]:
    mode = stat.S_IMODE(status.st_mode)
    owner = (status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        link = os.readlink(name, dir_fd=parent)
        yield Entry(base, Kind.SYMLINK, mode, *owner, 0, status.st_mtime_ns, link)
    elif stat.S_ISREG(status.st_mode):
        yield Entry(base, Kind.FILE, mode, *owner, status.st_size, status.st_mtime_ns)
    else:
        raise NotCopied(f"{name} is a device or a socket, which are not copied")


def _content(root: int, path: str) -> Iterator[bytes]:
    fd = open_in(root, os.fsdecode(os_path(path)), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        while piece := os.read(fd, _CHUNK):
            yield piece
    finally:
        os.close(fd)


def from_tar(chunks: Iterable[bytes], tree: Tree, place: str, *, archive: bool = False) -> None:
    """Unpack a tar into the directory `place`, every name resolved inside the tree.

    Raises NotADirectory, NotCopied, BadLayer (a tar that breaks the rules).
    """
    with ExitStack() as stack:
        stack.enter_context(as_root_of(tree))
        into = open_directory(tree, place, stack)
        if into is None:
            raise NotADirectory(
                f"{place} is not a directory {tree.where}", hint="a tar is unpacked into one"
            )
        reader = TarReader(chunks)
        times: list[tuple[str, int, int]] = []
        for entry in reader:
            _unpack(reader, entry, tree, place, archive)
            if entry.kind is Kind.DIRECTORY:
                times.append((entry.path, entry.mode, entry.mtime))
        for path, mode, mtime in reversed(times):
            fd = tree.open(f"{place}/{path}", os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fchmod(fd, mode & (0o7777 if archive else 0o1777))
                os.utime(fd, ns=(mtime, mtime))
            finally:
                os.close(fd)


def _unpack(reader: TarReader, entry: Entry, tree: Tree, place: str, archive: bool) -> None:
    if not entry.path:
        return
    if entry.kind is Kind.DIRECTORY:
        os.close(make_in(tree.root, f"{place}/{entry.path}", directory=True))
        return
    parent = make_in(tree.root, f"{place}/{entry.parent}", directory=True)
    try:
        make_room(parent, entry.name)
        if entry.kind is Kind.SYMLINK:
            os.symlink(entry.link, entry.name, dir_fd=parent)
        elif entry.kind is Kind.HARDLINK:
            link, _, name = entry.link.rpartition("/")
            other = open_in(tree.root, f"{place}/{link}", os.O_PATH | os.O_DIRECTORY)
            try:
                os.link(
                    name, entry.name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False
                )
            finally:
                os.close(other)
        elif entry.kind is Kind.FILE:
            _unpack_file(
                reader, entry, parent, owner_in(tree, entry.uid, entry.gid) if archive else None
            )
        else:
            raise NotCopied(f"{entry.path} is a device or a fifo, which are not copied")
    finally:
        os.close(parent)


def _unpack_file(
    reader: TarReader, entry: Entry, parent: int, owner: tuple[int, int] | None
) -> None:
    create = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(entry.name, create, 0o600, dir_fd=parent)
    try:
        for piece in reader.content():
            write_all(fd, piece)
        if owner is not None:
            os.fchown(fd, *owner)
        os.fchmod(fd, entry.mode & (0o1777 if owner is None else 0o7777))
        os.utime(fd, ns=(entry.mtime, entry.mtime))
    finally:
        os.close(fd)
