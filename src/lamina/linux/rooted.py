"""Paths inside a container, resolved so that no link in them leads out of it.

Every path is taken to begin at a directory given as a descriptor: `..` stops
there, absolute links begin there again, and the magic links of /proc are
refused (openat2(2), RESOLVE_IN_ROOT).
"""

from __future__ import annotations

import errno
import os

from lamina.linux.syscall import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2

_MOST_LINKS = 40


def open_in(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` below `root`.  Raises OSError; the caller closes the descriptor."""
    while True:
        try:
            return openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            if error.errno != errno.EAGAIN:  # something was renamed meanwhile: look again
                raise


def exists_in(root: int, path: str) -> bool:
    """Whether `path` leads to something below `root`."""
    try:
        os.close(open_in(root, path))
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return False
        raise
    return True


def resolve_in(root: int, path: str) -> list[str]:
    """The components of `path` without links, `.` and `..`; the last ones may be missing.

    For a tree that nobody changes meanwhile.  Raises OSError (ELOOP).
    """
    done: list[str] = []
    todo = path.split("/")[::-1]
    links = 0
    while todo:
        component = todo.pop()
        if component in {"", "."}:
            continue
        if component == "..":
            del done[-1:]
            continue
        target = _link_in(root, [*done, component])
        if target is None:
            done.append(component)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done.clear()
        todo += target.split("/")[::-1]
    return done


def _link_in(root: int, components: list[str]) -> str | None:
    try:
        parent = open_in(root, "/".join(components[:-1]) or "/", os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        return os.readlink(components[-1], dir_fd=parent)
    except OSError:
        return None
    finally:
        os.close(parent)


def make_in(root: int, path: str, *, directory: bool, mode: int = 0o755) -> int:
    """Open `path` below `root`, made if it is missing, as O_PATH.

    A directory, or an empty file; missing parents become directories of mode 0755.
    Links on the way are followed, also one that leads nowhere yet.  Raises OSError.
    """
    try:
        return open_in(root, path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    components = resolve_in(root, path)
    for depth in range(1, len(components) + 1):
        last = depth == len(components)
        _make_one(root, components[:depth], directory or not last, mode if last else 0o755)
    return open_in(root, "/".join(components) or "/")


def _make_one(root: int, components: list[str], directory: bool, mode: int) -> None:
    parent = open_in(root, "/".join(components[:-1]) or "/", os.O_PATH | os.O_DIRECTORY)
    try:
        if directory:
            os.mkdir(components[-1], mode, dir_fd=parent)
        else:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(components[-1], flags, mode & 0o666, dir_fd=parent))
    except FileExistsError:
        pass
    finally:
        os.close(parent)
