"""Deleting a directory that a container may have filled with anything."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
_DEEP = 16
"""Directories below one another that are emptied in place."""


def delete_tree(place: Path) -> int:
    """Delete a directory and all in it; returns the bytes of disk freed.

    Follows no link, and is not troubled by depth: directories far inside are moved
    to the top before they are emptied, so that neither descriptors nor paths run
    out.  A file that has another link elsewhere frees nothing.
    """
    try:
        top = _open(os.fspath(place), None)
    except FileNotFoundError:
        return 0
    try:
        return _Deletion(top).run() + _remove(os.fspath(place), None)
    finally:
        os.close(top)


class _Deletion:
    """The directories still to be emptied that were moved to `top`."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._waiting: list[str] = []
        self._moved = 0
        self._salt = os.urandom(8).hex()

    def run(self) -> int:
        freed = self._empty(self._top, 0)
        while self._waiting:
            freed += self._delete(self._waiting.pop(), self._top, 1)
        return freed

    def _delete(self, name: str, parent: int, depth: int) -> int:
        fd = _open(name, parent)
        try:
            freed = self._empty(fd, depth)
        finally:
            os.close(fd)
        return freed + _remove(name, parent)

    def _empty(self, directory: int, depth: int) -> int:
        """Delete what is in a directory; what is too deep in it is moved to the top."""
        freed = 0
        for name in os.listdir(directory):
            status = os.lstat(name, dir_fd=directory)
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=directory)
                freed += status.st_blocks * 512 if status.st_nlink == 1 else 0
            elif depth < _DEEP:
                freed += self._delete(name, directory, depth + 1)
            else:
                self._waiting.append(self._move_up(directory, name))
        return freed

    def _move_up(self, directory: int, name: str) -> str:
        while True:
            self._moved += 1
            new = f"{self._moved}.{self._salt}"
            try:
                os.rename(name, new, src_dir_fd=directory, dst_dir_fd=self._top)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
            else:
                return new


def _open(name: str, parent: int | None) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, _FLAGS, dir_fd=parent)


def _remove(name: str, parent: int | None) -> int:
    blocks = os.lstat(name, dir_fd=parent).st_blocks
    os.rmdir(name, dir_fd=parent)
    return blocks * 512
