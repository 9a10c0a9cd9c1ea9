"""Mount points that an image lacks, made in a layer of their own beneath the writable one.

A mount point made in the merged tree would be a change of the container's: `diff`
would show it and a build step's layer would carry it.  So it is made in a
directory that lies, read-only, between the image and the writable layer.
"""

from __future__ import annotations

import os

from lamina.linux.rooted import exists_in, resolve_in


def make_stubs(root: int, targets: list[tuple[str, bool]], stubs: str) -> bool:
    """Make in `stubs` what of `targets` (path, whether a directory) is missing below `root`.

    Directories on the way get the attributes they have below `root`, for `stubs` is
    laid over it.  Returns whether anything was made.  Raises OSError.
    """
    made = False
    for path, directory in targets:
        if exists_in(root, path):
            continue
        components = resolve_in(root, path)
        if not components:
            continue
        if not made:
            _make_directory(root, [], stubs)
        made = True
        for depth in range(1, len(components) + (1 if directory else 0)):
            _make_directory(root, components[:depth], stubs)
        if not directory:
            _make_file("/".join([stubs, *components]))
    return made


def _make_file(path: str) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        pass


def _make_directory(root: int, components: list[str], stubs: str) -> None:
    path = "/".join([stubs, *components])
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    original = _open_directory(root, components)
    if original is None:
        return
    try:
        _copy_attributes(original, path)
    finally:
        os.close(original)


def _open_directory(root: int, components: list[str]) -> int | None:
    """`components` hold no links any more, so plain steps stay inside."""
    fd = os.dup(root)
    for component in (".", *components):
        try:
            step = os.open(component, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        finally:
            os.close(fd)
        fd = step
    return fd


def _copy_attributes(original: int, path: str) -> None:
    status = os.fstat(original)
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, status.st_mode & 0o7777)
    for name in os.listxattr(original):
        if not name.startswith("trusted.overlay."):
            os.setxattr(path, name, os.getxattr(original, name))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
