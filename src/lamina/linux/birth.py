"""When a file was made: what statx(2) tells beyond stat(2)."""

from __future__ import annotations

import ctypes
import struct

from lamina.linux.syscall import AT_FDCWD, AT_SYMLINK_NOFOLLOW, libc

_STATX_BTIME = 0x800
_SIZE = 256
_MASK = struct.Struct("=I")
_BTIME = struct.Struct("=qI")
_AT = 80
"""Where stx_btime is in struct statx."""


def born(path: bytes) -> int:
    """Nanoseconds since the epoch; 0 where the file system does not say.  Raises OSError."""
    result = ctypes.create_string_buffer(_SIZE)
    failed = libc.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, _STATX_BTIME, result)
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, "statx", path)
    if not _MASK.unpack_from(result)[0] & _STATX_BTIME:
        return 0
    seconds, nanoseconds = _BTIME.unpack_from(result, _AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
