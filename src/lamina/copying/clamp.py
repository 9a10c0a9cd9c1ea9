"""Times in a layer to be: none is later than the epoch that the build was given."""

from __future__ import annotations

import errno
import os
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.copying.pyc import HEADER, restamp
from lamina.layer.entry import Entry, os_path, text_path

if TYPE_CHECKING:
    from lamina.store.contract import Filling

NANO = 1_000_000_000


def clamp(upper: Path, epoch: int, timeless: Container[str] = ()) -> None:
    """Let nothing in the directory be of a later time than `epoch` (seconds since 1970).

    Earlier times stay, but for those of the paths in `timeless`: they say nothing of the
    files, and become the epoch as well.  A `.pyc` that records the time of a source whose
    time changes records the new one, so that Python goes on taking it.
    """
    walk = _Walk(os.fsencode(upper) + b"/", epoch, timeless)
    pending = [os.fsencode(upper)]
    while pending:
        pending += walk.directory(pending.pop())
    walk.restamp()


class Clamped:
    """Implements `Filling` (store/contract.py) with the times that the files have by now; all
    of them are there."""

    def __init__(self, upper: Path, filling: Filling) -> None:
        base = os.fsencode(upper) + b"/"
        self.entries = tuple(_with_time(base, entry) for entry in filling.entries)

    def write(self, entry: Entry) -> bool:
        raise FileNotFoundError(entry.path)  # nobody asks: no entry has a sha256


def _with_time(base: bytes, entry: Entry) -> Entry:
    mtime = os.lstat(base + os_path(entry.path)).st_mtime_ns // NANO * NANO
    return msgspec.structs.replace(entry, mtime=mtime)


class _Walk:
    def __init__(self, base: bytes, epoch: int, timeless: Container[str]) -> None:
        self._base = len(base)
        self._timeless = timeless
        self._epoch = epoch
        self._limit = epoch * NANO
        self._compiled: list[bytes] = []
        self._moved: dict[bytes, tuple[int, int]] = {}
        """Sources whose time changed: the seconds they had, and their size."""

    def directory(self, path: bytes) -> list[bytes]:
        """Clamp what is in a directory; returns the directories among it."""
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            # No layer takes such a name: whoever reads the directory as one says so.
            if error.errno == errno.ENAMETOOLONG:
                return []
            raise
        for entry in entries:
            self._clamp(entry)
        return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]

    def _clamp(self, entry: os.DirEntry[bytes]) -> None:
        status = entry.stat(follow_symlinks=False)
        if entry.name.endswith(b".pyc") and entry.is_file(follow_symlinks=False):
            self._compiled.append(entry.path)
        if status.st_mtime_ns > self._limit or self._is_timeless(entry.path):
            os.utime(entry.path, ns=(self._limit, self._limit), follow_symlinks=False)
            if entry.name.endswith(b".py"):
                self._moved[entry.path] = (status.st_mtime_ns // NANO, status.st_size)

    def _is_timeless(self, path: bytes) -> bool:
        return bool(self._timeless) and text_path(path[self._base :]) in self._timeless

    def restamp(self) -> None:
        """Mend the `.pyc` files of the sources whose time changed."""
        if not self._moved:
            return
        for path in self._compiled:
            self._mend(path)

    def _mend(self, path: bytes) -> None:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            before = os.fstat(fd)
            header = os.pread(fd, HEADER, 0)
            change = restamp(path, header, self._moved.get, self._epoch)
            if change is not None:
                os.pwrite(fd, change[1], change[0])
                os.utime(fd, ns=(before.st_mtime_ns, before.st_mtime_ns))
        finally:
            os.close(fd)
