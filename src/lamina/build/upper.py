"""Writing a layer's files into a fresh upper directory, with no mount.

What is written is laid over a tree that is there already (the layers below):
parents get the metadata that they have in the merged view, as overlayfs would
copy them up, and nothing of an unexpected type is replaced.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from lamina.context.tree import ROOT, Content, Tree, resolve
from lamina.errors import Conflict, Invalid
from lamina.layer.entry import Entry, Kind, os_path, text_path

_PIECE = 1 << 24
_NO_RANGE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_KINDS = {stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


class InTheWay(Conflict):
    """A directory would have to replace something else, or the reverse."""


class BadName(Invalid):
    """A path that no file system takes."""


class Upper:
    """A directory that becomes a layer over `below`."""

    def __init__(self, directory: Path, below: Tree, *, now: int) -> None:
        self._base = os.fsencode(directory)
        self._below = below
        self._now = now
        self._times: dict[str, int] = {}
        """mtimes of directories, set at the end: making files in them changes them."""

    def lookup(self, path: str) -> Entry | None:
        """What is at `path` in the merged view, itself."""
        if not path:
            return self._below.lookup("") or ROOT
        place = self._place(path)
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return self._below.lookup(path)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), Kind.FILE)
        link = text_path(os.readlink(place)) if kind is Kind.SYMLINK else ""
        mode = stat.S_IMODE(status.st_mode)
        return Entry(path, kind, mode, status.st_uid, status.st_gid, 0, status.st_mtime_ns, link)

    def resolve(self, path: str) -> str:
        """Where `path` leads in the merged view, links followed inside the root."""
        return resolve(self.lookup, path)

    def make_directories(self, path: str, owner: tuple[int, int] = (0, 0)) -> None:
        """Have directories all the way down to `path` (no links in it); new ones are 0755.

        Raises InTheWay when something else is there.
        """
        at = ""
        for name in path.split("/") if path else ():
            at = f"{at}/{name}" if at else name
            found = self.lookup(at)
            if found is None:
                found = Entry(at, Kind.DIRECTORY, 0o755, *owner, 0, self._now)
            elif found.kind is not Kind.DIRECTORY:
                raise InTheWay(f"/{at} is not a directory")
            self._copy_up(found, at)

    def put_directory(self, path: str, entry: Entry, *, overwrite: bool) -> None:
        """Make the directory like `entry`; one that is there keeps its metadata unless
        `overwrite`.  Its parent must be there."""
        found = self.lookup(path)
        if found is not None and found.kind is not Kind.DIRECTORY:
            raise InTheWay(f"/{path} is not a directory")
        self._copy_up(found or entry, path)
        if found is None or overwrite:
            self._settle(path, entry)

    def put_file(self, path: str, entry: Entry, content: Content) -> None:
        """Write a file like `entry` with that content."""
        with os.fdopen(self._create(path), "wb", buffering=0) as file:
            _copy(content.file.fileno(), file.fileno(), content.size)
        self._settle(path, entry)

    def write_file(self, path: str, entry: Entry, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a file like `entry` with these pieces."""
        with os.fdopen(self._create(path), "wb", buffering=0) as file:
            file.writelines(pieces)
        self._settle(path, entry)

    def put_special(self, path: str, entry: Entry) -> None:
        """Make a symbolic link, device or fifo like `entry`."""
        self._clear(path)
        place = self._place(path)
        if entry.kind is Kind.SYMLINK:
            os.symlink(os_path(entry.link), place)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(place)
        else:
            kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
            os.mknod(place, kind | 0o600, os.makedev(*entry.device))
        self._settle(path, entry)

    def put_link(self, path: str, target: str) -> bool:
        """Make `path` another name of the file `target`, if that was written here."""
        if not os.path.lexists(self._place(target)):
            return False
        self._clear(path)
        os.link(self._place(target), self._place(path), follow_symlinks=False)
        return True

    def finish(self) -> None:
        """Give the directories their times, the deepest first."""
        for path in sorted(self._times, key=lambda each: each.count("/"), reverse=True):
            os.utime(self._place(path), ns=(self._times[path], self._times[path]))

    def _place(self, path: str) -> bytes:
        return self._base + b"/" + os_path(path)

    def _copy_up(self, found: Entry, path: str) -> None:
        """Have the directory in the upper, with the metadata it has in the merged view."""
        if path and not os.path.isdir(self._place(path)):
            try:
                os.mkdir(self._place(path), 0o700)
            except OSError as error:
                if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
                    raise BadName(f"not a path: /{path}") from None
                raise
            self._settle(path, found)

    def _create(self, path: str) -> int:
        self._clear(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._place(path), flags, 0o600)

    def _clear(self, path: str) -> None:
        """Make room for something that is no directory."""
        if (found := self.lookup(path)) is not None and found.kind is Kind.DIRECTORY:
            raise InTheWay(f"/{path} is a directory")
        if os.path.lexists(self._place(path)):
            os.unlink(self._place(path))

    def _settle(self, path: str, entry: Entry) -> None:
        place = self._place(path)
        os.chown(place, entry.uid, entry.gid, follow_symlinks=False)
        if entry.kind is not Kind.SYMLINK:
            os.chmod(place, entry.mode)
        for name, value in entry.xattrs:
            os.setxattr(place, name, value, follow_symlinks=False)
        if entry.kind is Kind.DIRECTORY:
            self._times[path] = entry.mtime
        else:
            os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def _copy(source: int, target: int, size: int) -> None:
    """`size` bytes of a file, or what there is of them, in the kernel."""
    ways = [
        lambda left: os.copy_file_range(source, target, left),
        lambda left: os.sendfile(target, source, None, left),
        lambda left: os.write(target, os.read(source, min(left, 1 << 20))),
    ]
    while size:
        try:
            copied = ways[0](min(size, _PIECE))
        except OSError as error:
            if len(ways) == 1 or error.errno not in _NO_RANGE:
                raise
            ways.pop(0)
            continue
        if not copied:
            return
        size -= copied
