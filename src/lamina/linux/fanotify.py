"""Which files are opened on a file system, as the kernel tells it (fanotify(7)).

A *group* is a descriptor that events come from; a mark says on which file system.  The
group may be handed to a child, which marks what it alone can see; events are read here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

from lamina.errors import Unavailable
from lamina.linux import syscall

_CLOEXEC, _NONBLOCK, _UNLIMITED_QUEUE = 0x01, 0x02, 0x10
_MARK_ADD, _MARK_FILESYSTEM = 0x001, 0x100
_OPEN, _OVERFLOW = 0x20, 0x4000
_EVENT = struct.Struct("=IBBHQii")
"""struct fanotify_event_metadata: length, version, reserved, own length, mask, fd, pid."""
_VERSION = 3
_AT_ONCE = 128
"""Events of one read: each brings a descriptor, and a process may have 1024."""
_GONE = {errno.ENOENT, errno.ESTALE, errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENODEV}
"""What the kernel says of an event whose file it cannot open for us: a device node on a
mount that allows none, a file that is gone.  That event is taken from the queue."""


class EventsLost(Unavailable):
    """The kernel had no memory for more events: what was used is not known."""

    def __init__(self) -> None:
        super().__init__(
            "the kernel lost records of which files were opened", hint="try again with more memory"
        )


def group() -> int:
    """A new group, whose queue has no limit.  Raises OSError where the kernel refuses or has
    none (EPERM, ENOSYS); the caller closes it."""
    flags = _CLOEXEC | _NONBLOCK | _UNLIMITED_QUEUE
    # Without O_NONBLOCK a named pipe that is opened would stop whoever reads of it.
    how = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_LARGEFILE
    fd: int = syscall.libc.fanotify_init(ctypes.c_uint(flags), ctypes.c_uint(how))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"fanotify_init: {os.strerror(code)}")
    return fd


def mark(group: int, path: str) -> None:
    """Tell `group` of every file that is opened or executed from now on, by anybody, on the
    file system that `path` is on.  Raises OSError."""
    done = syscall.libc.fanotify_mark(
        group,
        ctypes.c_uint(_MARK_ADD | _MARK_FILESYSTEM),
        ctypes.c_uint64(_OPEN),
        syscall.AT_FDCWD,
        os.fsencode(path),
    )
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"fanotify_mark: {os.strerror(code)}", path)


def opened(group: int) -> Iterator[bytes]:
    """The path of every file that was opened since the last call, in order and as often.

    It is told as it is inside the file system's own mount namespace, absolute, at the time
    of this call.  Ends when there is no more for now.  Raises EventsLost.
    """
    while True:
        try:
            raw = os.read(group, _EVENT.size * _AT_ONCE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in _GONE:
                continue
            raise
        at = 0
        while at < len(raw):
            length, version, _, _, mask, fd, _ = _EVENT.unpack_from(raw, at)
            at += length
            if version != _VERSION or mask & _OVERFLOW:
                raise EventsLost
            if fd >= 0:
                try:
                    path = os.readlink(b"/proc/self/fd/%d" % fd)
                finally:
                    os.close(fd)
                yield path
