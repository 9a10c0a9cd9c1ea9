"""System calls that Python's `os` does not have, each under the kernel's own name.

Every function raises OSError and decides nothing.
"""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str, path: str = "") -> int:
    """Turn a failed libc call into an OSError naming the call and the path."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}", path or None)
    return result


def syncfs(fd: int) -> None:
    """syncfs(2): write everything of the file system that `fd` is on to disk."""
    _check(_libc.syncfs(fd), "syncfs")
