"""Writing a layer's files into a fresh upper directory, with no mount.

What is written is laid over a tree that is there already (the layers below):
parents get the metadata that they have in the merged view, as overlayfs would
copy them up, and nothing of an unexpected type is replaced.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.context.errors import ContextChanged
from lamina.context.known import FRESH
from lamina.context.tree import ROOT, Content, Tree, resolve
from lamina.copying.inode import copy_range, make_special, placed, settle
from lamina.errors import Conflict, Invalid
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.rights import NotOurs, rights_here
from lamina.layer.whiteout import ROOT as ROOT_WHITEOUTS
from lamina.layer.whiteout import Whiteouts
from lamina.store.atomic import write_whole

if TYPE_CHECKING:
    from lamina.store.contract import Filling

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = Kind.DIRECTORY


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_ctime_ns


class InTheWay(Conflict):
    """A directory would have to replace something else, or the reverse."""


class BadName(Invalid):
    """A path that no file system takes."""


class Upper:
    """A directory that becomes a layer over `below`; nobody else writes into it.

    Everything raises BadName for a path that is too long.
    """

    def __init__(
        self,
        directory: Path,
        below: Tree,
        *,
        now: int,
        whiteouts: Whiteouts = ROOT_WHITEOUTS,
        leaves: bool = False,
    ) -> None:
        """With `leaves`, files may be left to be written by whoever takes the directory, who
        also says which `whiteouts` it understands."""
        self._whiteouts = whiteouts
        self._base = os.fsencode(directory) + b"/"
        self._below = below
        self._now = now
        self._laid: dict[str, Entry] = {}
        """All that lies in the directory."""
        self._made: set[str] = set()
        """Directories that were not there before."""
        self._bare: set[str] = set()
        """What `remove` was asked for: nothing of the layers below is there."""
        self._leaves = leaves
        self._left: dict[str, tuple[Tree, Entry]] = {}
        """Where the files come from that are not written yet."""
        self._linked = False
        """Whether a file has two names here."""

    def lookup(self, path: str) -> Entry | None:
        """What is at `path` in the merged view, itself."""
        found = self._laid.get(path)
        if found is not None or path in self._bare:
            return found
        if not path:
            return self._below.lookup("") or ROOT
        if path.rpartition("/")[0] in self._made:
            return None  # most often, in a large tree
        above = path
        while above:
            above = above.rpartition("/")[0]
            parent = self._laid.get(above)
            if parent is not None and (parent.kind is not _DIRECTORY or above in self._bare):
                return None
        return self._below.lookup(path)

    def resolve(self, path: str) -> str:
        """Where `path` leads in the merged view, links followed inside the root."""
        return resolve(self.lookup, path)

    def is_new(self, path: str) -> bool:
        """Whether it is a directory that was made here."""
        return path in self._made

    def make_directories(
        self, path: str, owner: tuple[int, int] = (0, 0), mode: int = 0o755
    ) -> None:
        """Have directories all the way down to `path` (no links in it); new ones get that
        owner and mode.

        Raises InTheWay when something else is there.
        """
        if path in self._laid and self._laid[path].kind is _DIRECTORY:
            return
        at = ""
        for name in path.split("/") if path else ():
            at = f"{at}/{name}" if at else name
            found = self.lookup(at)
            if found is None:
                self._make_directory(Entry(at, _DIRECTORY, mode, *owner, 0, self._now))
                self._made.add(at)
            elif found.kind is not _DIRECTORY:
                raise InTheWay(f"/{at} is not a directory")
            elif at not in self._laid:
                self._make_directory(found)

    def put_directory(self, path: str, entry: Entry) -> None:
        """Have a directory like `entry`, over one that is there.  Its parent must be there."""
        found = self.lookup(path)
        if found is not None and found.kind is not _DIRECTORY:
            raise InTheWay(f"/{path} is not a directory")
        entry = placed(entry, path, _DIRECTORY)
        if found is None:
            self._make_directory(entry)
            self._made.add(path)
            return
        if path not in self._laid:
            self._make_directory(found)
        settle(self._place(path), entry)
        xattrs = tuple(sorted({**dict(found.xattrs), **dict(entry.xattrs)}.items()))
        self._laid[path] = msgspec.structs.replace(entry, xattrs=xattrs)

    def set_mode(self, path: str, mode: int) -> None:
        """Give a directory that lies here another mode."""
        os.chmod(self._place(path), mode)
        self._laid[path] = msgspec.structs.replace(self._laid[path], mode=mode)

    def set_time(self, path: str, mtime: int) -> None:
        """Give a directory that lies here another mtime, in nanoseconds."""
        self._laid[path] = placed(
            msgspec.structs.replace(self._laid[path], mtime=mtime), path, _DIRECTORY
        )

    def put_file(self, path: str, entry: Entry, content: Content) -> None:
        """Write a file like `entry` with that content.  Raises ContextChanged when it is shorter
        than it was."""
        fd = self._create(path)
        try:
            # What is empty may have no descriptor.
            copied = copy_range(content.file.fileno(), fd, content.size) if content.size else 0
            self._finish_file(fd, placed(entry, path, size=copied))
        finally:
            os.close(fd)
        if copied != content.size:
            raise ContextChanged(entry.path)

    def leave_file(self, path: str, entry: Entry, tree: Tree, source: Entry) -> bool:
        """Have a file like `entry`, whose sha256 is known, of `source` in `tree`; it need not be
        written if layers share one like it.  False when that cannot be left open."""
        if not self._leaves or not entry.sha256 or not entry.size:
            return False
        self._clear(path)
        self._laid[path] = placed(entry, path, size=entry.size, sha256=entry.sha256)
        self._left[path] = (tree, source)
        return True

    def write(self, entry: Entry) -> bool:
        """Write a file that was left (implements `Filling`).  Raises ContextChanged when it
        changes meanwhile."""
        tree, source = self._left.pop(entry.path)
        del self._laid[entry.path]
        content = tree.open(source)
        with content.file:
            before = os.fstat(content.file.fileno())
            self.put_file(entry.path, entry, content)
            after = os.fstat(content.file.fileno())
        if _times(before) != _times(after):
            raise ContextChanged(source.path)
        # One that was touched just before it was hashed may have changed again since, within
        # one tick of the kernel's clock.
        return max(_times(after)) < self._now - FRESH

    def write_file(self, path: str, entry: Entry, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a file like `entry` with these pieces."""
        fd = self._create(path)
        try:
            size = 0
            for piece in pieces:
                write_whole(fd, piece)
                size += len(piece)
            self._finish_file(fd, placed(entry, path, size=size))
        finally:
            os.close(fd)

    def put_special(self, path: str, entry: Entry) -> None:
        """Make a symbolic link, device or fifo like `entry`."""
        self._clear(path)
        place = self._place(path)
        entry = placed(entry, path, entry.kind)
        make_special(place, entry)
        settle(place, entry)
        os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
        self._laid[path] = entry

    def put_link(self, path: str, target: str) -> bool:
        """Make `path` another name of what is at `target`; False when that is a directory,
        or nothing.  A file of the layers below is copied up for that."""
        entry = self.lookup(target)
        if entry is None or entry.kind is _DIRECTORY:
            return False
        if path == target:
            return True
        if target in self._left:
            self.write(entry)
        elif target not in self._laid:
            self._copy_up(target, entry)
        self._linked = True
        self._clear(path)
        os.link(self._place(target), self._place(path), follow_symlinks=False)
        self._laid[path] = msgspec.structs.replace(entry, path=path)
        return True

    def remove(self, path: str) -> None:
        """Let nothing be at `path` any more, so that something else can be put there.

        Its parent must be there.  What lies in the layers below is only hidden, by what is
        put there next.
        """
        laid = self._laid.get(path)
        if laid is not None and laid.kind is _DIRECTORY:
            shutil.rmtree(self._place(path))
            for each in [each for each in self._laid if f"{each}/".startswith(f"{path}/")]:
                del self._laid[each]
                self._left.pop(each, None)
                self._made.discard(each)
        elif laid is not None:
            self._unlink(path)
        self._bare.add(path)

    @property
    def entries(self) -> Sequence[Entry]:
        """All that lies here or was left (implements `Filling`)."""
        return tuple(self._laid.values())

    def finish(self) -> Filling | None:
        """Give the directories their times: what is made in them changes those.

        Returns what `LayerStore.adopt` takes; None when only a walk tells what lies here, and
        then nothing is left to be written.
        """
        plain = not self._linked and not self._bare
        if not plain:
            for path in list(self._left):
                self.write(self._laid[path])
            self._check_owners()
        for path in sorted(self._laid, key=len, reverse=True):
            entry = self._laid[path]
            if entry.kind is not _DIRECTORY:
                continue
            place = self._place(path)
            if path in self._bare:
                self._whiteouts.hide_lower(place)
            os.utime(place, ns=(entry.mtime, entry.mtime))
        return self if plain else None

    def _check_owners(self) -> None:
        """Raise NotOurs for a file that could not be given to its owner: a walk would take it
        for ours."""
        if rights_here().owners:
            return
        ours = (os.geteuid(), os.getegid())
        for path, entry in self._laid.items():
            if (entry.uid, entry.gid) != ours:
                raise NotOurs(path, entry.uid, entry.gid)

    def _place(self, path: str) -> bytes:
        return self._base + os_path(path)

    def _make_directory(self, entry: Entry) -> None:
        """Make a directory like `entry`, at its path."""
        entry = placed(entry, entry.path, _DIRECTORY)
        place = self._place(entry.path)
        try:
            os.mkdir(place, 0o700)
        except OSError as error:
            raise self._named(error, entry.path) from None
        settle(place, entry)
        self._laid[entry.path] = entry

    def _copy_up(self, path: str, entry: Entry) -> None:
        self.make_directories(path.rpartition("/")[0])
        if entry.kind in (Kind.FILE, Kind.HARDLINK):
            content = self._below.open(entry)
            with content.file:
                self.put_file(path, entry, content)
        else:
            self.put_special(path, entry)

    def _create(self, path: str) -> int:
        self._clear(path)
        try:
            return os.open(self._place(path), _CREATE, 0o600)
        except OSError as error:
            raise self._named(error, path) from None

    def _named(self, error: OSError, path: str) -> Exception:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            return BadName(f"not a path: /{path}")
        return error

    def _clear(self, path: str) -> None:
        """Make room for something that is no directory."""
        found = self.lookup(path)
        if found is not None and found.kind is _DIRECTORY:
            raise InTheWay(f"/{path} is a directory")
        if path in self._laid:
            self._unlink(path)

    def _unlink(self, path: str) -> None:
        del self._laid[path]
        if self._left.pop(path, None) is None:
            os.unlink(self._place(path))

    def _finish_file(self, fd: int, entry: Entry) -> None:
        settle(fd, entry)
        os.utime(fd, ns=(entry.mtime, entry.mtime))
        self._laid[entry.path] = entry
