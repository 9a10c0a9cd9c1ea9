"""What this process may do here, each thing tried once, in a way that leaves nothing behind.

Every function returns why not, in a few words; empty when it works.  Nothing is decided here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread

from lamina.linux import capability, mounts, syscall

_NAMESPACES = (
    syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP
)


@cache
def no_namespaces() -> str:
    """Whether a container's namespaces can be made, and file systems mounted in them."""
    found: list[str] = []
    # Namespaces are a thread's own, and this one's go with it.
    thread = Thread(target=lambda: found.append(_why_not(_make_namespaces)), name="ability")
    thread.start()
    thread.join()
    return found[0]


def _make_namespaces() -> None:
    syscall.unshare(_NAMESPACES)
    syscall.unshare(syscall.CLONE_NEWPID)
    syscall.mount("", "/", "", syscall.MS_REC | syscall.MS_PRIVATE)
    for fstype in ("tmpfs", "devpts"):
        os.close(mounts.new_filesystem(fstype))


def no_overlay(directory: Path) -> str:
    """Whether overlayfs takes an upper directory in `directory`."""
    place = directory / f".tmp-{os.urandom(8).hex()}"
    parts = [str(place / name) for name in ("lower", "upper", "work", "merged")]

    def attempt() -> None:
        for part in (str(place), *parts):
            os.mkdir(part, 0o700)
        lower, upper, work, merged = parts
        os.close(mounts.open_overlay(merged, [lower], upper, work))

    try:
        return _why_not(attempt)
    finally:
        for part in (f"{parts[2]}/work", f"{parts[2]}/index", *parts, str(place)):
            with suppress(OSError):
                os.rmdir(part)


def no_devices(directory: Path) -> str:
    """Whether a device node in `directory` can be made, and opened."""
    place = directory / f".device-{os.urandom(8).hex()}"

    def attempt() -> None:
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.close(os.open(place, os.O_RDWR | os.O_CLOEXEC))

    try:
        return _why_not(attempt)
    finally:
        place.unlink(missing_ok=True)


def missing(names: Iterable[str]) -> list[str]:
    """Which of these capabilities (`CHOWN`) this process does not have."""
    held = syscall.capget()
    return [name for name in names if not held >> capability.NAMES.index(name) & 1]


def no_fuse() -> str:
    """Whether /dev/fuse can be opened."""
    return _why_not(lambda: os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)))


def _why_not(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        call, _, words = (error.strerror or "").rpartition(": ")
        text = os.strerror(error.errno or errno.EPERM).lower()
        return f"{call}: {text}" if call and " " not in call and words else text
    return ""
