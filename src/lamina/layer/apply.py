"""A tar stream becomes a directory tree in overlayfs form.

Safe by construction: the tree starts empty and belongs to this writer alone, and
`layer_tree` says where each entry lies: under directories that the writer made itself,
never through a symbolic link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from lamina.errors import Denied
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.layer_tree import IMPLIED_MODE, LayerTree
from lamina.layer.rights import NotOurs, Rights, rights_here
from lamina.layer.tar import TarReader
from lamina.layer.whiteout import Whiteouts

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_EMPTY = hashlib.sha256(b"").digest()


class Shared(Protocol):
    """Files known already, so that one content at one path is one inode."""

    def key(self, entry: Entry) -> bytes | None:
        """What names the file that equals `entry` (its sha256 is set); None: not to be shared."""
        ...

    def take(self, key: bytes, target: bytes) -> bool:
        """Link the known file of that key to `target`, if there is one; a file that is at
        `target` gives way."""
        ...


@dataclass(frozen=True, slots=True)
class Applied:
    """What one tar stream became."""

    entries: tuple[Entry, ...]
    """Every entry in the stream's order; paths as they lie in the tree."""
    extras: dict[int, int]
    """Entry.offset → position in the `extra` file (see `listing.StoredListing`)."""
    offers: dict[str, bytes]
    """Path → key of each file that later layers may share (see `Shared`)."""


def apply_tar(
    reader: TarReader,
    root: Path,
    extra: Path,
    *,
    whiteouts: Whiteouts,
    shared: Shared | None,
    rights: Rights | None = None,
) -> Applied:
    """Write the entries of `reader` under `root`, an empty directory.

    Content that the tree cannot keep (a path named twice, content on a marker)
    goes to the file `extra`, made only when there is some.  What files cannot be given
    here is left out; `rights`, when it is not what this process has, says what that is.

    Raises BadLayer, naming the entry, and what the reader and the kernel raise;
    the caller removes what was written.
    """
    writer = _TreeWriter(
        reader, os.fsencode(root), extra, whiteouts, shared, rights or rights_here()
    )
    for entry in reader:
        try:
            writer.add(entry)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise BadLayer(f"{entry.path!r} is too long a name for this file system") from None
    return writer.finish()


class _TreeWriter:
    """Implements `layer_tree.Effects`."""

    def __init__(
        self,
        reader: TarReader,
        root: bytes,
        extra: Path,
        whiteouts: Whiteouts,
        shared: Shared | None,
        rights: Rights,
    ) -> None:
        self.reader = reader
        self.base = root + b"/"
        self.extra = extra
        self.extra_size = 0
        self.whiteouts = whiteouts
        self.shared = shared
        self.rights = rights
        self.privileged = (os.geteuid(), os.getegid())
        self.umask = _umask()
        self.tree = LayerTree(effects=self)
        self.entries: list[Entry] = []
        self.extras: dict[int, int] = {}
        self.taken: set[str] = set()
        self.offers: dict[str, bytes] = {}

    def add(self, entry: Entry) -> None:
        entry = self.tree.add(entry)
        if entry.is_marker:
            entry = self._set_aside(entry)
        elif entry.kind is Kind.FILE:
            entry = self._file(entry)
        elif entry.kind is Kind.HARDLINK:
            self._hard_link(entry)
        elif entry.kind is not Kind.DIRECTORY:
            self._special(entry)
        self.entries.append(entry)

    def make_directory(self, path: str) -> None:
        os.mkdir(self.base + os_path(path), 0o700)

    def drop(self, path: str, maker: Entry) -> None:
        target = self.base + os_path(path)
        self.taken.discard(path)
        self.offers.pop(path, None)
        # Of a hard link the maker is its target's: the content is not this name's to keep.
        if maker.kind is Kind.FILE and maker.size and maker.path == path:
            with open(target, "rb") as content:
                self._append_extra(maker, iter(lambda: content.read(1 << 20), b""))
        if self.rights.devices or maker.kind not in (Kind.CHAR, Kind.BLOCK):
            os.unlink(target)

    def drop_directory(self, path: str) -> None:
        os.rmdir(self.base + os_path(path))

    def _file(self, entry: Entry) -> Entry:
        target = self.base + os_path(entry.path)
        if entry.size == 0:
            self._settle(os.open(target, _CREATE, entry.mode), entry)
            return msgspec.structs.replace(entry, sha256=_EMPTY)
        view = self.reader.whole()
        if view is None:
            entry = self._stream(entry, target)
        else:
            entry = msgspec.structs.replace(entry, sha256=hashlib.sha256(view).digest())
        key = self.shared.key(entry) if self.shared is not None else None
        if key is not None and self.shared is not None:
            if self.shared.take(key, target):
                self.taken.add(entry.path)
                return entry
            self.offers[entry.path] = key
        if view is not None:
            fd = os.open(target, _CREATE, entry.mode)
            try:
                _write(fd, view)
            except BaseException:
                os.close(fd)
                raise
            self._settle(fd, entry)
        return entry

    def _stream(self, entry: Entry, target: bytes) -> Entry:
        """A file larger than what is in memory: written first, its hash known after."""
        hasher = hashlib.sha256()
        fd = os.open(target, _CREATE, entry.mode)
        try:
            for piece in self.reader.content():
                hasher.update(piece)
                _write(fd, piece)
        except BaseException:
            os.close(fd)
            raise
        self._settle(fd, entry)
        return msgspec.structs.replace(entry, sha256=hasher.digest())

    def _settle(self, fd: int, entry: Entry) -> None:
        """Owner, mode, attributes and time of an open file; closes it."""
        try:
            owned = (entry.uid, entry.gid) != self.privileged
            if owned:
                self._chown(fd, entry)
            if entry.xattrs:
                self._set_xattrs(fd, entry)
            # chown clears set-id bits, and the umask took some away at creation.
            if owned or entry.mode & (self.umask | 0o7000):
                os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _special(self, entry: Entry) -> None:
        target = self.base + os_path(entry.path)
        if entry.kind is Kind.SYMLINK:
            os.symlink(os_path(entry.link), target)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(target, 0o600)
        elif self.rights.devices:
            self._device(entry, target)
        else:
            return
        self._chown(target, entry)
        if entry.xattrs:
            self._set_xattrs(target, entry)
        if entry.kind is not Kind.SYMLINK:
            os.chmod(target, entry.mode)
        os.utime(target, ns=(entry.mtime, entry.mtime), follow_symlinks=False)

    def _device(self, entry: Entry, target: bytes) -> None:
        kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
        try:
            os.mknod(target, kind | 0o600, os.makedev(*entry.device))
        except PermissionError:
            raise Denied(
                f"the layer has a device node that this user may not make: {entry.path!r}",
                hint="run as root",
            ) from None

    def _hard_link(self, entry: Entry) -> None:
        if entry.link in self.taken:
            # An inode shared between layers must have one name in each (see `Shared`).
            self._make_private(entry.link)
        self.offers.pop(entry.link, None)
        if not self.rights.devices and self.tree.makers[entry.path].kind in (Kind.CHAR, Kind.BLOCK):
            return
        base = self.base
        os.link(base + os_path(entry.link), base + os_path(entry.path), follow_symlinks=False)

    def _make_private(self, path: str) -> None:
        entry = self.tree.makers[path]
        target = self.base + os_path(path)
        with open(target, "rb") as known:
            os.unlink(target)
            fd = os.open(target, _CREATE, entry.mode)
            try:
                while os.sendfile(fd, known.fileno(), None, 1 << 30):
                    pass
            except BaseException:
                os.close(fd)
                raise
            self._settle(fd, entry)
        self.taken.discard(path)

    def _set_aside(self, entry: Entry) -> Entry:
        if entry.size:
            digest = self._append_extra(entry, self.reader.content())
            return msgspec.structs.replace(entry, sha256=digest)
        if entry.kind is Kind.FILE:
            return msgspec.structs.replace(entry, sha256=_EMPTY)
        return entry

    def _append_extra(self, entry: Entry, pieces: Iterable[bytes | memoryview]) -> bytes:
        """Keep an entry's content in the extra file; returns its sha256."""
        self.extras[entry.offset] = self.extra_size
        hasher = hashlib.sha256()
        with open(self.extra, "ab") as extra:
            for piece in pieces:
                hasher.update(piece)
                self.extra_size += extra.write(piece)
        return hasher.digest()

    def finish(self) -> Applied:
        tree = self.tree
        tree.finish()
        for path in tree.opaque:
            self.whiteouts.hide_lower(self.base + os_path(path))
        for path in tree.whiteouts:
            self.whiteouts.delete(self.base + os_path(path))
        # Children first: making a child would change its parent's time again.
        for path in sorted(tree.directories, key=len, reverse=True):
            self._finish_directory(path)
        return Applied(tuple(self.entries), self.extras, self.offers)

    def _finish_directory(self, path: str) -> None:
        target = self.base + os_path(path)
        if path in self.tree.implied:
            os.chmod(target, IMPLIED_MODE)
            return
        entry = self.tree.makers[path]
        self._chown(target, entry)
        if entry.xattrs:
            self._set_xattrs(target, entry)
        os.chmod(target, entry.mode)
        os.utime(target, ns=(entry.mtime, entry.mtime))

    def _chown(self, target: bytes | int, entry: Entry) -> None:
        if (entry.uid, entry.gid) == self.privileged or not self.rights.owners:
            return
        try:
            if isinstance(target, int):
                os.fchown(target, entry.uid, entry.gid)
            else:
                os.chown(target, entry.uid, entry.gid, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise
            raise NotOurs(entry.path, entry.uid, entry.gid) from None

    def _set_xattrs(self, target: bytes | int, entry: Entry) -> None:
        for name, value in entry.xattrs:
            if not self.rights.takes(name):
                continue
            try:
                if isinstance(target, int):
                    os.setxattr(target, os_path(name), value)
                else:
                    os.setxattr(target, os_path(name), value, follow_symlinks=False)
            except PermissionError:
                raise Denied(
                    f"this user may not set the attribute {name!r} of {entry.path!r}",
                    hint="run as root",
                ) from None
            except OSError as error:
                raise BadLayer(
                    f"the attribute {name!r} of {entry.path!r} cannot be set: {error.strerror}"
                ) from None


def _write(fd: int, data: memoryview) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


def _umask() -> int:
    """The process's umask, read without setting it: another thread may be creating files."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o777
