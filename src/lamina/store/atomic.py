"""Files that are whole or absent, and the locks that go with them.

A writer makes `.tmp-<random>` beside its target, holds an flock on it, fills
it, syncs it, renames it and syncs the directory.  The flock ends with its
process, so whoever sweeps can tell a dead writer's leftover from a living
writer's work.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".tmp-"


class NewFile:
    """A file under construction: `write` to it, then `commit` it to its name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.path, self.fd = held_file(directory, TEMPORARY)

    def write(self, data: bytes) -> int:
        """Append all of `data`; returns its length."""
        write_whole(self.fd, data)
        return len(data)

    def commit(self, name: str, *, durable: bool = True) -> None:
        """Give the file its name, replacing what had it; on disk on return if `durable`."""
        if durable:
            os.fsync(self.fd)
        os.rename(self.path, self._directory / name)
        if durable:
            sync_directory(self._directory)


@contextmanager
def new_file(directory: Path) -> Iterator[NewFile]:
    """A file to fill and commit; one that was not committed leaves nothing behind."""
    file = NewFile(directory)
    try:
        yield file
    finally:
        # Nothing is there any more when it was committed.
        try:
            os.unlink(file.path)
        except FileNotFoundError:
            pass
        os.close(file.fd)


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Let `path` hold `data`, from one moment to the next."""
    with new_file(path.parent) as file:
        file.write(data)
        file.commit(path.name, durable=durable)


def keep_newest(directory: Path, prefix: str, count: int) -> None:
    """Delete files of that beginning, the longest unwritten first, until `count` are left."""
    found: list[tuple[int, Path]] = []
    for path in directory.glob(f"{prefix}*"):
        try:
            found.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:
            continue
    for _, path in sorted(found)[: max(0, len(found) - count)]:
        path.unlink(missing_ok=True)


def write_whole(fd: int, data: bytes | memoryview) -> None:
    """write(2) until all of `data` is written."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def sync_directory(directory: Path) -> None:
    """Put a directory's names on disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold an flock on `path`, a lock file (made if missing) or a directory."""
    if path.is_dir():
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    else:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def unlink(path: Path) -> int:
    """Delete a file; returns the bytes of disk freed, 0 when it is not there."""
    try:
        blocks = path.lstat().st_blocks
        path.unlink()
    except FileNotFoundError:
        return 0
    return blocks * 512


def sweep_files(directory: Path) -> int:
    """Delete what dead writers left in `directory`; returns the bytes of disk freed."""
    freed = 0
    for name in os.listdir(directory):
        if name.startswith(TEMPORARY):
            freed += unlink_unheld(directory / name)
    return freed


def unlink_unheld(path: Path) -> int:
    """Delete a file that no living process holds locked; returns the bytes of disk freed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(fd)
        if status.st_nlink == 0:
            return 0
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return 0
    finally:
        os.close(fd)
    return status.st_blocks * 512


def is_held(path: Path) -> bool:
    """Whether some process holds an flock on `path`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def held_file(directory: Path, prefix: str = "") -> tuple[Path, int]:
    """A new file of a random name and its descriptor, which holds an flock until closed."""
    while True:
        path = directory / f"{prefix}{os.urandom(8).hex()}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)  # swept between the two calls
