"""A stack of layers as one plain directory, for where nothing can be mounted over layers.

A command works in it in place.  What it changed is found by walking: a file whose inode and
ctime(2) are as they were is as it was, for no change leaves ctime alone.  The rest is compared
with what the layers say, so that a layer has what differs and nothing else.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lamina.build.stamps import Stamps
from lamina.copying.comparison import Comparison
from lamina.copying.inode import copy_range, make_special
from lamina.copying.merged import LayersTree
from lamina.layer.entry import (
    WHITEOUT_PREFIX,
    Entry,
    Kind,
    directories_above,
    os_path,
)
from lamina.layer.union import Located, Union
from lamina.layer.whiteout import NAMED
from lamina.oci.digest import Digest

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NANO = 1_000_000_000
_PIECE = 1 << 20
_FILES = (Kind.FILE, Kind.HARDLINK)
_NOT_HERE = {errno.EPERM, errno.EOPNOTSUPP}


class _Differences(NamedTuple):
    changed: set[str]
    """What was changed or is new."""
    gone: set[str]
    """What was deleted, but for what was in a directory that is not there any more either."""
    replaced: set[str]
    """Directories that took the place of something else: nothing of the layers shows in them."""


class PlainRoot:
    """One directory that is brought to a chain of layers, and from there on.

    Nobody else writes into it, but for the command that runs in it.
    """

    def __init__(self, directory: Path) -> None:
        """`directory` is empty."""
        self.directory = directory
        self.chain: tuple[Digest, ...] = ()
        """The layers that it shows, the lowest first."""
        self._base = os.fsencode(directory) + b"/"
        self._view: LayersTree | None = None
        self._stamps = Stamps(self._base)
        self._changed: set[str] = set()
        directory.chmod(0o755)

    # from layers to files

    def bring(self, chain: Sequence[Digest], view: LayersTree) -> None:
        """Lay what `chain`, which begins with the present one, has more; `view` is its tree."""
        if self._view is not None and self.chain == tuple(chain):
            return
        before = self._view.union if self._view is not None else Union.of([])
        _Laying(self._base, before, view, len(self.chain)).run()
        self.chain, self._view = tuple(chain), view
        self._stamps.take()

    # from files to a layer

    def put_changes(self, upper: Path, now: int) -> None:
        """Make `upper`, an empty directory of the same file system, what an overlay's upper
        directory would be, with deletions by names.

        Its files are those that were changed, by another name.  `now` (nanoseconds) is when
        files are said to be deleted.  Raises BadLayer.
        """
        found = self._differences()
        _Putting(self._base, os.fsencode(upper) + b"/", now).run(found)
        self._changed = found.changed

    def accept(self, chain: Sequence[Digest], view: LayersTree) -> None:
        """The changes became the last layer of `chain`, and their directory is gone: what was
        changed gets the times that the layer says."""
        touched = self._changed | directories_above(self._changed)
        self.chain, self._view = tuple(chain), view
        for path in sorted(touched, key=len, reverse=True):
            found = view.union.get(path)
            if found is not None:
                when = (found.entry.mtime, found.entry.mtime)
                os.utime(self._base + os_path(path), ns=when, follow_symlinks=False)
        self._stamps.renew(touched)

    def _differences(self) -> _Differences:
        assert self._view is not None
        compare = Comparison(self._base, self._view)
        touched = self._stamps.touched()
        for path, status in touched.seen:
            if path in touched.fresh:
                compare.take(path, status)
            else:
                compare.look(path, status)
        return _Differences(compare.changed(), touched.gone, touched.replaced)


class _Laying:
    """The way from one merged view to another that has more layers on top."""

    def __init__(self, base: bytes, before: Union, view: LayersTree, known: int) -> None:
        self._base = base
        self._before = before
        self._view = view
        self._known = known
        self._first: dict[object, str] = {}
        """The first name that was laid of each file, by what its names have in common."""
        self._touched: set[str] = set()

    def run(self) -> None:
        union = self._view.union
        for located in reversed(list(self._before.walk())):  # children first
            if union.get(located.entry.path) is None:
                self._remove(located.entry.path)
        for located in union.walk():
            if located.layer >= self._known:
                self._lay(located)
        for path in sorted(self._touched, key=len, reverse=True):
            found = union.get(path)
            if found is not None and path:
                when = (found.entry.mtime, found.entry.mtime)
                os.utime(self._base + os_path(path), ns=when)

    def _remove(self, path: str) -> None:
        place = self._base + os_path(path)
        if stat.S_ISDIR(os.lstat(place).st_mode):
            os.rmdir(place)
        else:
            os.unlink(place)
        self._touch(path)

    def _touch(self, path: str) -> None:
        self._touched.add(path.rpartition("/")[0])

    def _lay(self, located: Located) -> None:
        entry = located.entry
        place = self._base + os_path(entry.path)
        self._touch(entry.path)
        found = self._before.get(entry.path)
        is_directory = entry.kind is Kind.DIRECTORY
        if found is not None and not (is_directory and found.entry.kind is Kind.DIRECTORY):
            self._make_room(place)
            found = None
        if is_directory:
            if found is None:
                os.mkdir(place, 0o700)
            _settle(place, entry, anew=found is not None)
            self._touched.add(entry.path)
        elif self._view.union.content(entry.path) is not None:
            self._file(place, entry)
        else:
            self._special(place, located)

    def _special(self, place: bytes, located: Located) -> None:
        """A symbolic link, pipe or device, or a further name of one."""
        entry = located.entry
        if entry.kind is Kind.HARDLINK:
            listing = self._view.union.listings[located.layer]
            entry = next(each for each in listing.entries if each.path == entry.link)
        first = self._first.setdefault((located.layer, entry.path), located.entry.path)
        if first != located.entry.path:
            os.link(self._base + os_path(first), place, follow_symlinks=False)
            return
        make_special(place, entry)
        _settle(place, entry)
        os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)

    def _make_room(self, place: bytes) -> None:
        if stat.S_ISDIR(os.lstat(place).st_mode):
            os.rmdir(place)  # what was in it is gone already
        else:
            os.unlink(place)

    def _file(self, place: bytes, entry: Entry) -> None:
        name = self._view.identity(entry)
        first = self._first.setdefault(name, entry.path)
        if first != entry.path:
            os.link(self._base + os_path(first), place)
            return
        located = self._view.union.content(entry.path)
        real = located.entry if located is not None else entry
        fd = os.open(place, _CREATE, 0o600)
        try:
            if real.size:
                content = self._view.open(entry)
                with content.file:
                    copy_range(content.file.fileno(), fd, content.size)
            _settle(fd, real)
            os.utime(fd, ns=(real.mtime, real.mtime))
        finally:
            os.close(fd)


def _settle(place: bytes | int, entry: Entry, *, anew: bool = False) -> None:
    """Owner, mode and attributes of what was just made; `anew`: of what had others before."""
    follow = isinstance(place, int)
    # In this order: a new owner takes set-id bits and capabilities away.
    os.chown(place, entry.uid, entry.gid, follow_symlinks=follow)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(place, entry.mode)
    if anew:
        for name, _ in NAMED.attributes(place)[1] if isinstance(place, bytes) else ():
            os.removexattr(place, name, follow_symlinks=False)
    for name, value in entry.xattrs:
        try:
            os.setxattr(place, os_path(name), value, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise


class _Putting:
    """An upper directory of what changed."""

    def __init__(self, base: bytes, upper: bytes, now: int) -> None:
        self._base = base
        self._upper = upper
        self._now = now
        self._directories: list[tuple[bytes, bytes]] = []
        self._made: set[str] = set()

    def run(self, found: _Differences) -> None:
        for path in sorted(found.changed | found.replaced, key=lambda path: path.count("/")):
            place = self._base + os_path(path)
            if stat.S_ISDIR(os.lstat(place).st_mode):
                self._directory(path)
                continue
            self._directory(path.rpartition("/")[0])
            os.link(place, self._upper + os_path(path), follow_symlinks=False)
        for path in found.gone:
            self._directory(path.rpartition("/")[0])
            self._whiteout(path)
        for path in found.replaced:
            NAMED.hide_lower(self._upper + os_path(path))
        for place, target in reversed(self._directories):
            shutil.copystat(place, target)  # times last, for filling them changed those

    def _whiteout(self, path: str) -> None:
        parent, slash, name = path.rpartition("/")
        NAMED.delete(self._upper + os_path(path))
        mark = self._upper + os_path(f"{parent}{slash}{WHITEOUT_PREFIX}{name}")
        os.utime(mark, ns=(self._now, self._now))

    def _directory(self, path: str) -> None:
        """Have a directory, and those above it, as they are."""
        if not path or path in self._made:
            return
        self._directory(path.rpartition("/")[0])
        self._made.add(path)
        place, target = self._base + os_path(path), self._upper + os_path(path)
        status = os.lstat(place)
        os.mkdir(target, 0o700)
        os.chown(target, status.st_uid, status.st_gid)
        self._directories.append((place, target))
