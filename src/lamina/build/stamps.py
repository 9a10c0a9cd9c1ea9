"""What of a tree has been touched, found by one walk: no change leaves a file's ctime alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from lamina.layer.entry import os_path, text_path
from lamina.linux.birth import born

_Stamp: TypeAlias = tuple[int, int, bool]
"""Inode, st_ctime_ns, whether it is a directory."""


class Touched(NamedTuple):
    """What may have been changed since stamps were taken, and what certainly was."""

    seen: list[tuple[str, os.stat_result]]
    """Everything whose stamp is another, parents before children."""
    fresh: set[str]
    """What is in directories that were not there before: all of it is new at its path."""
    replaced: set[str]
    """Directories that took the place of something else."""
    gone: set[str]
    """What is not there any more, but for what was in a directory that is not either."""


class Stamps:
    """The stamps of everything below a directory."""

    def __init__(self, base: bytes) -> None:
        """`base` ends with a slash."""
        self._base = base
        self._known: dict[bytes, _Stamp] = {}
        self._births: dict[bytes, int] = {}
        """When directories were made: the number of one that was deleted may be given to the
        next that is made."""

    def take(self) -> None:
        """Stamp all that is there now."""
        self._known, _ = self._walk(None)
        directories = (path for path, stamp in self._known.items() if stamp[2])
        self._births = {path: born(self._base + path) for path in directories}

    def renew(self, paths: Iterable[str]) -> None:
        """Stamp these again, which may be gone."""
        for path in paths:
            place = os_path(path)
            try:
                status = os.lstat(self._base + place)
            except (FileNotFoundError, NotADirectoryError):
                self._known.pop(place, None)
                continue
            self._known[place] = _stamp(status)
            if stat.S_ISDIR(status.st_mode):
                self._births[place] = born(self._base + place)

    def touched(self) -> Touched:
        """Compare with what is there now, whose stamps are the known ones from now on."""
        before = self._known
        now, seen = self._walk(before)
        anew = {path for path, status in seen if self._is_anew(before.get(path), path, status)}
        fresh = self._below(anew, now, seen)
        replaced = {text_path(path) for path in anew if path in before} - fresh
        gone = _topmost_gone(before, now, anew)
        self._known = now
        self._births.update((path, born(self._base + path)) for path in anew)
        return Touched([(text_path(path), status) for path, status in seen], fresh, replaced, gone)

    def _walk(
        self, known: dict[bytes, _Stamp] | None
    ) -> tuple[dict[bytes, _Stamp], list[tuple[bytes, os.stat_result]]]:
        found: dict[bytes, _Stamp] = {}
        differing: list[tuple[bytes, os.stat_result]] = []
        cut = len(self._base)
        todo = [self._base]
        while todo:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    is_directory = entry.is_dir(follow_symlinks=False)
                    place = entry.path
                    path = place[cut:]
                    stamp = (status.st_ino, status.st_ctime_ns, is_directory)
                    found[path] = stamp
                    if known is not None and known.get(path) != stamp:
                        differing.append((path, status))
                    if is_directory:
                        todo.append(place + b"/")
        return found, differing

    def _is_anew(self, before: _Stamp | None, path: bytes, status: os.stat_result) -> bool:
        """Whether it is a directory that was not there before, at least not this one."""
        if not stat.S_ISDIR(status.st_mode):
            return False
        if before is None or before[0] != status.st_ino or not before[2]:
            return True
        return born(self._base + path) != self._births.get(path, 0)

    def _below(
        self,
        anew: set[bytes],
        now: dict[bytes, _Stamp],
        seen: list[tuple[bytes, os.stat_result]],
    ) -> set[str]:
        """All that is in directories made anew; what was moved there untouched joins `seen`."""
        if not anew:
            return set()
        listed = {path for path, _ in seen}
        fresh: set[str] = set()
        within = set(anew)
        for path in now:  # parents come before children
            if path.rpartition(b"/")[0] in within:
                within.add(path)
                if now[path][2]:
                    self._births[path] = born(self._base + path)
                fresh.add(text_path(path))
                if path not in listed:
                    seen.append((path, os.lstat(self._base + path)))
        return fresh


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_ino, status.st_ctime_ns, stat.S_ISDIR(status.st_mode)


def _topmost_gone(
    before: dict[bytes, _Stamp], now: dict[bytes, _Stamp], anew: set[bytes]
) -> set[str]:
    found = set()
    for path in before.keys() - now.keys():
        parent = path.rpartition(b"/")[0]
        if not parent or (before[parent][2] and now.get(parent, (0, 0, False))[2]):
            found.add((path, parent))
    if not anew or not found:
        return {text_path(path) for path, _ in found}
    return {text_path(path) for path, parent in found if not _is_within(parent, anew)}


def _is_within(path: bytes, directories: set[bytes]) -> bool:
    while path:
        if path in directories:
            return True
        path = path.rpartition(b"/")[0]
    return False
