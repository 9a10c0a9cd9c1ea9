"""Whether root is root of the machine."""

from __future__ import annotations

import os

_INITIAL = 0xEFFFFFFD
"""The inode of the kernel's first user namespace (PROC_USER_INIT_INO)."""


def is_initial() -> bool:
    """Whether this process is in the first user namespace."""
    try:
        return os.stat("/proc/self/ns/user").st_ino == _INITIAL
    except FileNotFoundError:
        # In a chroot without /proc (run/chrooted.py): whoever could make a user namespace has
        # mounts, too, and with them /proc.
        return True
