"""inotify(7): to hear of writes to a file."""

from __future__ import annotations

import os

from lamina.linux.syscall import libc

_IN_MODIFY = 2
_CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK


def watch_writes(path: str) -> int:
    """A descriptor that can be read when the file at `path` was written to.

    Raises OSError; the caller closes it.
    """
    import ctypes

    fd = libc.inotify_init1(_CLOEXEC_NONBLOCK)
    if fd < 0 or libc.inotify_add_watch(fd, os.fsencode(path), _IN_MODIFY) < 0:
        code = ctypes.get_errno()
        if fd >= 0:
            os.close(fd)
        raise OSError(code, f"inotify: {os.strerror(code)}", path)
    return int(fd)
