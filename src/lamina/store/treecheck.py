"""Whether a directory tree is still what its layer's listing says."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamina.layer.entry import Entry, Kind, os_path, text_path
from lamina.layer.layer_tree import IMPLIED_MODE, LayerTree
from lamina.layer.rights import Rights, rights_here
from lamina.layer.whiteout import Whiteouts

_PIECE = 1 << 20
_TYPES = {
    Kind.FILE: stat.S_ISREG,
    Kind.DIRECTORY: stat.S_ISDIR,
    Kind.SYMLINK: stat.S_ISLNK,
    Kind.CHAR: stat.S_ISCHR,
    Kind.BLOCK: stat.S_ISBLK,
    Kind.FIFO: stat.S_ISFIFO,
}


def check_tree(
    root: Path, entries: Sequence[Entry], whiteouts: Whiteouts, rights: Rights | None = None
) -> Iterator[str]:
    """What in the tree is not as the entries say, a clause each, naming the path.

    `rights` are those that it was written with; by default this process's own.
    """
    if not os.path.isdir(root):
        yield "its fs/ is missing"
        return
    yield from _Check(
        os.fsencode(root), LayerTree(entries), whiteouts, rights or rights_here()
    ).run()


class _Check:
    def __init__(
        self, root: bytes, expected: LayerTree, whiteouts: Whiteouts, rights: Rights
    ) -> None:
        self.base = root + b"/"
        self.expected = expected
        self.whiteouts = whiteouts
        self.rights = rights
        self.first: dict[int, tuple[str, int]] = {}
        """Identity of a maker → the first path with its file, and the inode there."""

    def run(self) -> Iterator[str]:
        expected = self.expected
        missing = expected.makers.keys() | expected.implied | expected.whiteouts
        if not self.rights.devices:
            devices = (Kind.CHAR, Kind.BLOCK)
            missing -= {path for path, maker in expected.makers.items() if maker.kind in devices}
        todo = [""]
        while todo:
            path = todo.pop()
            missing.discard(path)
            status = os.lstat(self.base + os_path(path))
            name = repr(path) if path else "its root"
            yield from (f"{name} {problem}" for problem in self._problems(path, status))
            if stat.S_ISDIR(status.st_mode):
                prefix = path + "/" if path else ""
                names = os.listdir(self.base + os_path(path))
                todo += [prefix + text_path(each) for each in sorted(names, reverse=True)]
        yield from (f"{path!r} is missing" for path in sorted(missing))

    def _problems(self, path: str, status: os.stat_result) -> Iterator[str]:
        expected = self.expected
        if path in expected.whiteouts:
            if not self.whiteouts.is_whiteout(status):
                yield "should mark a deletion and is a file"
        elif path in expected.implied:
            if not stat.S_ISDIR(status.st_mode):
                yield "is not a directory any more"
                return
            yield from _wrong_mode(status, IMPLIED_MODE)
            yield from self._wrong_attributes(path, ())
        elif path in expected.makers:
            yield from self._wrong_file(path, expected.makers[path], status)
        else:
            yield "is not in its listing"

    def _wrong_file(self, path: str, maker: Entry, status: os.stat_result) -> Iterator[str]:
        first, inode = self.first.setdefault(id(maker), (path, status.st_ino))
        if first != path:
            if inode != status.st_ino:
                yield f"and {first!r} are no hard links of each other any more"
            return
        if not _TYPES[maker.kind](status.st_mode):
            yield f"is not a {maker.kind.name.lower()} any more"
            return
        target = self.base + os_path(path)
        if maker.kind is Kind.SYMLINK:
            if (link := text_path(os.readlink(target))) != maker.link:
                yield f"links to {link!r} instead of {maker.link!r}"
        else:
            yield from _wrong_mode(status, maker.mode)
        owner = (maker.uid, maker.gid) if self.rights.owners else (os.geteuid(), os.getegid())
        if (status.st_uid, status.st_gid) != owner:
            yield f"belongs to {status.st_uid}:{status.st_gid}, not {owner[0]}:{owner[1]}"
        if status.st_mtime_ns != maker.mtime:
            yield "has another modification time"
        if maker.kind is Kind.CHAR or maker.kind is Kind.BLOCK:
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
            if device != maker.device:
                yield f"is device {device} instead of {maker.device}"
        yield from self._wrong_attributes(path, maker.xattrs)
        if maker.kind is Kind.FILE:
            yield from _wrong_content(target, maker, status.st_size)

    def _wrong_attributes(self, path: str, xattrs: tuple[tuple[str, bytes], ...]) -> Iterator[str]:
        opaque, found = self.whiteouts.attributes(self.base + os_path(path))
        if found != tuple((name, value) for name, value in xattrs if self.rights.takes(name)):
            yield "has other extended attributes"
        if opaque != (path in self.expected.opaque):
            yield "hides what lies below it" if opaque else "no longer hides what lies below it"


def _wrong_mode(status: os.stat_result, mode: int) -> Iterator[str]:
    if (found := stat.S_IMODE(status.st_mode)) != mode:
        yield f"has mode {found:04o} instead of {mode:04o}"


def _wrong_content(target: bytes, maker: Entry, size: int) -> Iterator[str]:
    if size != maker.size:
        yield f"is {size} bytes long instead of {maker.size}"
        return
    hasher = hashlib.sha256()
    with open(target, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    if hasher.digest() != maker.sha256:
        yield "has other content"
