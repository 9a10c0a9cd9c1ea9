"""Things put into a plain root file system for as long as a command runs, where others mount.

What is in the way is set aside, and comes back; directories keep their times, unless the
command itself changed something in them.  So the tree tells afterwards what the command did,
and nothing of what it was given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lamina.linux.rooted import resolve_in
from lamina.store.trash import delete_tree


class _Piece(msgspec.Struct, frozen=True):
    place: str
    """Where it lies."""
    inode: int
    back: Path | None
    """Where it goes afterwards; None to delete it."""
    aside: Path | None
    """What was there before."""


class Furnishing:
    """What is put into one root file system.  Nobody runs in there when it is called."""

    def __init__(self, root: Path, scratch: Path) -> None:
        """`scratch` is an empty directory of the same file system."""
        self._root = os.path.realpath(root)
        self._scratch = scratch
        self._done: list[_Piece | str] = []
        """What was put in, and the directories that were made for it, in this order."""
        self._times: dict[str, tuple[int, int]] = {}
        """Of directories that things were put into: before, and after it."""

    def put(self, source: Path, target: str, *, keep: bool = False) -> None:
        """Move `source` to `target`, a path inside, whose links lead no further than the root.

        With `keep` it goes back to where it was.  Raises OSError.
        """
        components = self._resolved(target)
        if not components:
            raise IsADirectoryError(f"nothing can take the place of {target}")
        for depth in range(1, len(components)):
            self._make_directory(components[:depth])
        place = self._path(components)
        self._note_time(self._path(components[:-1]))
        aside = None
        if os.path.lexists(place):
            aside = self._scratch / f"aside-{len(self._done)}"
            os.rename(place, aside)
        os.rename(source, place)
        inode = os.lstat(place).st_ino
        self._done.append(_Piece(place, inode, source if keep else None, aside))

    def complete(self) -> None:
        """All is in its place: from now on directories change by what the command does."""
        for directory, (before, _) in self._times.items():
            self._times[directory] = (before, os.lstat(directory).st_mtime_ns)

    def clear(self) -> None:
        """Take everything out again.  What of it the command deleted or moved away is gone."""
        restored = {
            directory: before if now == after else now
            for directory, (before, after) in self._times.items()
            if (now := _time(directory)) is not None
        }
        for each in reversed(self._done):
            if isinstance(each, _Piece):
                _take_out(each)
            elif _is_there(each) and not os.listdir(each):
                os.rmdir(each)
                restored.pop(each, None)
        for directory, when in restored.items():
            if _time(directory) is not None:
                os.utime(directory, ns=(when, when), follow_symlinks=False)
        self._done, self._times = [], {}

    def _resolved(self, target: str) -> list[str]:
        root = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return resolve_in(root, target)
        finally:
            os.close(root)

    def _path(self, components: Sequence[str]) -> str:
        return "/".join([self._root, *components])

    def _make_directory(self, components: Sequence[str]) -> None:
        place = self._path(components)
        if os.path.isdir(place):
            return
        self._note_time(self._path(components[:-1]))
        os.mkdir(place)
        Path(place).chmod(0o755)
        self._done.append(place)

    def _note_time(self, directory: str) -> None:
        if directory not in self._times:
            self._times[directory] = (os.lstat(directory).st_mtime_ns, 0)


def _time(directory: str) -> int | None:
    """When a directory was last changed; None when it is not there any more."""
    return os.lstat(directory).st_mtime_ns if _is_there(directory) else None


def _is_there(directory: str) -> bool:
    """Whether this is a directory still, and none above it: the command may have put a link
    there, which would lead out of its root."""
    return os.path.isdir(directory) and os.path.realpath(directory) == directory


def _take_out(piece: _Piece) -> None:
    if not _is_there(os.path.dirname(piece.place)):
        return
    if os.path.lexists(piece.place):
        if piece.back is not None and os.lstat(piece.place).st_ino == piece.inode:
            os.rename(piece.place, piece.back)
        else:
            delete_anything(Path(piece.place))
    if piece.aside is not None:
        os.rename(piece.aside, piece.place)


def delete_anything(place: Path) -> None:
    """Delete a file, a link, or a directory with all in it; nothing is followed."""
    if place.is_dir() and not place.is_symlink():
        delete_tree(place)
    else:
        place.unlink(missing_ok=True)
