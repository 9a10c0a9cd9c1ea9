"""A tar stream becomes a directory tree in overlayfs form.

Safe by construction: the tree starts empty and belongs to this writer alone;
names are clean (`tar.clean_path`), and the writer only ever creates under
directories that it made itself, never through a symbolic link.
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
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.tar import TarReader
from lamina.layer.whiteout import Whiteouts

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_EMPTY = hashlib.sha256(b"").digest()
_MAX_SYMLINKS = 40
_MAX_MAJOR, _MAX_MINOR = 1 << 12, 1 << 20
_IMPLICIT_MODE = 0o755
"""Of a directory that the tar has no entry for."""


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
    reader: TarReader, root: Path, extra: Path, *, whiteouts: Whiteouts, shared: Shared | None
) -> Applied:
    """Write the entries of `reader` under `root`, an empty directory.

    Content that the tree cannot keep (a path named twice, content on a marker)
    goes to the file `extra`, made only when there is some.

    Raises BadLayer, naming the entry, and what the reader and the kernel raise;
    the caller removes what was written.
    """
    writer = _TreeWriter(reader, os.fsencode(root), extra, whiteouts, shared)
    for entry in reader:
        try:
            writer.add(entry)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise BadLayer(f"{entry.path!r} is too long a name for this file system") from None
    return writer.finish()


class _TreeWriter:
    def __init__(
        self,
        reader: TarReader,
        root: bytes,
        extra: Path,
        whiteouts: Whiteouts,
        shared: Shared | None,
    ) -> None:
        self.reader = reader
        self.base = root + b"/"
        self.extra = extra
        self.extra_size = 0
        self.whiteouts = whiteouts
        self.shared = shared
        self.privileged = (os.geteuid(), os.getegid())
        self.umask = _umask()
        self.entries: list[Entry] = []
        self.live: dict[str, int] = {}
        self.directories: dict[str, int] = {"": -1}  # path → its entry, -1 while implicit
        self.symlinks: dict[str, str] = {}
        self.markers: dict[str, None] = {}
        self.extras: dict[int, int] = {}
        self.taken: set[str] = set()
        self.offers: dict[str, bytes] = {}

    def add(self, entry: Entry) -> None:
        parent, _, name = entry.path.rpartition("/")
        if parent not in self.directories:
            parent = self._parent(parent, entry.path)
            entry = msgspec.structs.replace(entry, path=f"{parent}/{name}" if parent else name)
        path = entry.path
        if name.startswith(WHITEOUT_PREFIX):
            self.entries.append(self._set_aside(entry))
            self.markers[path] = None
            return
        if entry.kind is Kind.DIRECTORY:
            self._directory(entry)
            return
        if path in self.live or path in self.directories:
            self._clear(path)
        if entry.kind is Kind.FILE:
            entry = self._file(entry)
        elif entry.kind is Kind.HARDLINK:
            entry = self._hard_link(entry)
        else:
            self._special(entry)
        self.live[path] = len(self.entries)
        self.entries.append(entry)

    def _directory(self, entry: Entry) -> None:
        path = entry.path
        if path not in self.directories:
            if path in self.live:
                self._clear(path)
            os.mkdir(self.base + os_path(path), 0o700)
        self.directories[path] = len(self.entries)
        self.entries.append(entry)

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
            if "\0" in entry.link:
                raise BadLayer(f"{entry.path!r} links to a name with a zero byte")
            os.symlink(os_path(entry.link), target)
            self.symlinks[entry.path] = entry.link
        elif entry.kind is Kind.FIFO:
            os.mkfifo(target, 0o600)
        else:
            self._device(entry, target)
        self._chown(target, entry)
        if entry.xattrs:
            self._set_xattrs(target, entry)
        if entry.kind is not Kind.SYMLINK:
            os.chmod(target, entry.mode)
        os.utime(target, ns=(entry.mtime, entry.mtime), follow_symlinks=False)

    def _device(self, entry: Entry, target: bytes) -> None:
        if entry.kind is Kind.CHAR and entry.device == (0, 0):
            raise BadLayer(f"{entry.path!r} is the device 0:0, which overlayfs reads as a deletion")
        major, minor = entry.device
        if not (0 <= major < _MAX_MAJOR and 0 <= minor < _MAX_MINOR):
            raise BadLayer(f"{entry.path!r} is the device {major}:{minor}, which Linux cannot have")
        kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
        try:
            os.mknod(target, kind | 0o600, os.makedev(major, minor))
        except PermissionError:
            raise Denied(
                f"the layer has a device node that this user may not make: {entry.path!r}",
                hint="run as root",
            ) from None

    def _hard_link(self, entry: Entry) -> Entry:
        """The entry that comes back has the target's path as it lies in the tree."""
        source = self._resolve_link_target(entry)
        if source in self.taken:
            # An inode shared between layers must have one name in each (see `Shared`).
            self._make_private(source)
        self.offers.pop(source, None)
        base = self.base
        os.link(base + os_path(source), base + os_path(entry.path), follow_symlinks=False)
        if source in self.symlinks:
            self.symlinks[entry.path] = self.symlinks[source]
        return entry if source == entry.link else msgspec.structs.replace(entry, link=source)

    def _resolve_link_target(self, entry: Entry) -> str:
        source = entry.link
        if source not in self.live:
            parent, _, name = source.rpartition("/")
            parent = self._walk(parent, entry.path, make=False)
            source = f"{parent}/{name}" if parent else name
        if source in self.directories:
            raise BadLayer(f"{entry.path!r} is a hard link to a directory, {entry.link!r}")
        if source not in self.live or source == entry.path:
            raise BadLayer(f"{entry.path!r} is a hard link to {entry.link!r}, which is not there")
        return source

    def _make_private(self, path: str) -> None:
        entry = self.entries[self.live[path]]
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

    def _parent(self, parent: str, path: str) -> str:
        """The real directory that `parent` leads to, made where it is missing."""
        return self._walk(parent, path, make=True)

    def _walk(self, parent: str, path: str, *, make: bool) -> str:
        """Follow `parent` component by component, through links that this layer made.

        A relative link that stays inside the layer is followed, as when the tar is
        extracted in place; an absolute one, or one that climbs out, is refused.
        """
        todo = parent.split("/")[::-1] if parent else []
        at = ""
        followed = 0
        while todo:
            name = todo.pop()
            if name == "..":
                if at == "":
                    raise BadLayer(f"{path!r} leads out of the layer through a symbolic link")
                at = at.rpartition("/")[0]
                continue
            if name in ("", "."):
                continue
            here = f"{at}/{name}" if at else name
            if here in self.directories:
                at = here
            elif here in self.symlinks:
                followed += 1
                link = self.symlinks[here]
                if link.startswith("/") or followed > _MAX_SYMLINKS:
                    raise BadLayer(
                        f"{path!r} leads out of the layer through the symbolic link {here!r}"
                    )
                todo.extend(link.split("/")[::-1])
            elif here in self.live:
                raise BadLayer(f"{path!r} lies under {here!r}, which is not a directory")
            elif make:
                os.mkdir(self.base + os_path(here), 0o700)
                self.directories[here] = -1
                at = here
            else:
                at = here
        return at

    def _clear(self, path: str) -> None:
        """Make room for another entry at `path`; the content that was there is set aside."""
        if path in self.directories:
            below = path + "/"
            for each in [each for each in self.live if each.startswith(below)]:
                self._drop(each)
            inner = [each for each in self.directories if each.startswith(below)]
            # The deepest first.  Not rmtree: its recursion is no match for a depth of 1000.
            for each in sorted((*inner, path), key=len, reverse=True):
                del self.directories[each]
                os.rmdir(self.base + os_path(each))
        else:
            self._drop(path)

    def _drop(self, path: str) -> None:
        target = self.base + os_path(path)
        index = self.live.pop(path)
        entry = self.entries[index]
        self.symlinks.pop(path, None)
        self.taken.discard(path)
        self.offers.pop(path, None)
        if entry.kind is Kind.FILE and entry.size:
            with open(target, "rb") as content:
                self._append_extra(entry, iter(lambda: content.read(1 << 20), b""))
        os.unlink(target)

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
        for path in self.markers:
            self._mark(path)
        # Children first: making a child would change its parent's time again.
        for path in sorted(self.directories, key=len, reverse=True):
            index = self.directories[path]
            target = self.base + os_path(path)
            if index < 0:
                os.chmod(target, _IMPLICIT_MODE)
                continue
            entry = self.entries[index]
            self._chown(target, entry)
            if entry.xattrs:
                self._set_xattrs(target, entry)
            os.chmod(target, entry.mode)
            os.utime(target, ns=(entry.mtime, entry.mtime))
        return Applied(tuple(self.entries), self.extras, self.offers)

    def _mark(self, marker: str) -> None:
        """Markers speak of the layers below, so what this layer has itself stays."""
        parent, slash, name = marker.rpartition("/")
        if name == OPAQUE_NAME:
            if parent in self.directories:
                self.whiteouts.hide_lower(self.base + os_path(parent))
            return
        name = name[len(WHITEOUT_PREFIX) :]
        if name.startswith(WHITEOUT_PREFIX) or not name:
            return  # AUFS' own bookkeeping (.wh..wh.plnk), which layers of 2014 still carry
        if name in (".", ".."):
            raise BadLayer(f"a whiteout of {name!r}: {marker!r}")
        path = parent + slash + name
        if path in self.directories:
            self.whiteouts.hide_lower(self.base + os_path(path))
        elif path not in self.live and parent in self.directories:
            self.whiteouts.delete(self.base + os_path(path))

    def _chown(self, target: bytes | int, entry: Entry) -> None:
        if (entry.uid, entry.gid) == self.privileged:
            return
        try:
            if isinstance(target, int):
                os.fchown(target, entry.uid, entry.gid)
            else:
                os.chown(target, entry.uid, entry.gid, follow_symlinks=False)
        except PermissionError:
            raise Denied(
                f"this user may not give {entry.path!r} to {entry.uid}:{entry.gid}",
                hint="run as root",
            ) from None

    def _set_xattrs(self, target: bytes | int, entry: Entry) -> None:
        for name, value in entry.xattrs:
            if name.startswith(("trusted.overlay.", "user.overlay.")):
                raise BadLayer(f"{entry.path!r} carries overlayfs' own attribute {name!r}")
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
