"""Which files of an image containers use: two ways to know it, with one contract."""

from __future__ import annotations

import os
import select
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Literal, Protocol

from lamina.layer.entry import Kind, os_path, text_path
from lamina.layer.union import Union
from lamina.linux import fanotify, mounts

_GONE = b" (deleted)"
"""What the kernel says after the path of a file that was removed meanwhile, or replaced."""
_INTERVAL_MS = 250
"""Between two looks at the queue, which has no limit."""
Way = Literal["fanotify", "access times"]


class Recorder(Protocol):
    """Hears of every file that the containers it has to do with read or execute."""

    @property
    def way(self) -> Way:
        """How, for people."""
        ...

    @property
    def watch(self) -> int:
        """What `run.launch.start` wants; -1 for nothing."""
        ...

    def prepare(self, upper: Path, lowers: tuple[Path, ...]) -> None:
        """Make the empty upper directory of a container ready; before it starts."""
        ...

    def collect(self, upper: Path) -> None:
        """Note what a container used; after it has ended.  Its upper directory is still there."""
        ...

    def used(self) -> frozenset[str]:
        """The clean path of every regular file of the image that was read, executed or mapped
        by a container that was prepared and collected, its program itself and the ELF
        interpreter included; and of each that it removed, renamed or changed, be it the mode
        alone.  No links, no directories.  A file that was opened and not read may be among
        them.  Raises EventsLost: never a silent gap."""
        ...


@contextmanager
def recording(union: Union, way: Way | None = None) -> Iterator[Recorder]:
    """A recorder for containers of an image, for the length of a `with` block.

    fanotify, and access times where the kernel has none or refuses it; or the `way` that
    is given.  Raises OSError for fanotify that was asked for.
    """
    if way != "access times":
        try:
            group = fanotify.group()
        except OSError:
            if way is not None:
                raise
        else:
            watching = Watching(group, union)
            try:
                yield watching
            finally:
                watching.close()
            return
    yield AccessTimes(union)


class Watching:
    """Implements `Recorder` by fanotify; a thread takes events now and then."""

    way: Way = "fanotify"

    def __init__(self, group: int, union: Union) -> None:
        self.watch = group
        self._union = union
        self._paths: set[bytes] = set()
        self._changed: set[str] = set()
        self._failure: Exception | None = None
        self._stop, self._stopping = os.pipe()
        self._thread = Thread(target=self._read, name="recorder", daemon=True)
        self._thread.start()

    def prepare(self, upper: Path, lowers: tuple[Path, ...]) -> None:
        pass

    def collect(self, upper: Path) -> None:
        # Opened files are in the queue, or were: `used` finds them all.  Who removes, renames
        # or changes a file without opening it needs it as well.
        self._changed.update(changed(upper))

    def used(self) -> frozenset[str]:
        self._end()
        if self._failure is None:
            self._take()
        if self._failure is not None:
            raise self._failure
        names = {path.removesuffix(_GONE) for path in self._paths} | self._paths
        paths = {text_path(path).lstrip("/") for path in names} | self._changed
        return frozenset(path for path in paths if self._union.content(path) is not None)

    def close(self) -> None:
        """Stop, and forget the group."""
        self._end()
        os.close(self.watch)

    def _end(self) -> None:
        if self._stopping >= 0:
            os.close(self._stopping)
            self._stopping = -1
            self._thread.join()
            os.close(self._stop)

    def _read(self) -> None:
        # Nobody waits on the queue itself: to wake somebody for each file takes the container
        # longer than to queue it, and what is opened again meanwhile is one event.
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        while not poll.poll(_INTERVAL_MS) and self._failure is None:
            self._take()

    def _take(self) -> None:
        try:
            self._paths.update(fanotify.opened(self.watch))
        except Exception as error:  # noqa: BLE001 - raised in `used`, in the caller's thread
            self._failure = error


class AccessTimes:
    """Implements `Recorder` without the kernel's help: a container gets copies of all files,
    last read in 1970, and afterwards some were read later.

    Overlayfs keeps access times of its upper directory, and relatime sets one that is not
    after the time of change.
    """

    way: Way = "access times"
    watch = -1

    def __init__(self, union: Union) -> None:
        self._union = union
        self._used: set[str] = set()
        self._ready: dict[Path, int] = {}
        """When the copies of a container's files were made: what was changed since is used."""

    def prepare(self, upper: Path, lowers: tuple[Path, ...]) -> None:
        empty = upper.parent / "nothing"
        empty.mkdir()
        top_first = [str(path) for path in (*reversed(lowers), empty)]
        if len(top_first) == 1:  # overlayfs without an upper directory wants two
            self._ready[upper] = 0
            return
        image = mounts.open_overlay(str(empty), top_first, flags=("ro", "nodev"))
        try:
            self._copy(b"/proc/self/fd/%d/" % image, os.fsencode(upper) + b"/")
        finally:
            os.close(image)
        self._ready[upper] = os.stat(upper).st_ctime_ns

    def _copy(self, source: bytes, target: bytes) -> None:
        names: dict[int, bytes] = {}
        """By id() of a content with several names, the first of its copies."""
        for _, entry in self._union.walk():
            raw = os_path(entry.path)
            if entry.kind is Kind.DIRECTORY:
                os.mkdir(target + raw)
            elif (found := self._union.content(entry.path)) is not None:
                first = names.setdefault(id(found.entry), target + raw)
                if first != target + raw:
                    os.link(first, target + raw)
                    continue
                shutil.copyfile(source + raw, target + raw, follow_symlinks=False)
            else:
                continue  # a link is seen through to the image
            _like(source + raw, target + raw)
        _like(source, target)

    def collect(self, upper: Path) -> None:
        top = os.fsencode(upper) + b"/"
        ready = self._ready.pop(upper)
        for _, entry in self._union.walk():
            if self._union.content(entry.path) is not None:
                try:
                    status = os.lstat(top + os_path(entry.path))
                except FileNotFoundError:
                    continue  # a directory above it was removed
                mine = stat.S_ISREG(status.st_mode) and status.st_ctime_ns <= ready
                if status.st_atime_ns > 0 or not mine:
                    self._used.add(entry.path)

    def used(self) -> frozenset[str]:
        return frozenset(self._used)


def changed(upper: Path) -> Iterator[str]:
    """The paths of files and whiteouts in an upper directory: what a container made, changed,
    removed, or renamed."""
    top = os.fsencode(upper)
    stack = [top]
    while stack:
        folder = stack.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                else:
                    yield text_path(entry.path[len(top) + 1 :])


def _like(source: bytes, target: bytes) -> None:
    """Give a copy the attributes of what it is of, but an access time of 1970."""
    status = os.stat(source)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, status.st_mode & 0o7777)
    for name in os.listxattr(source):
        if not name.startswith("trusted.overlay."):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(0, status.st_mtime_ns))
