"""Files made like entries: their metadata, and contents copied in the kernel."""

from __future__ import annotations

import errno
import os
import stat

from lamina.errors import Denied
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.rights import NotOurs, rights_here

_NANO = 1_000_000_000
_PIECE = 1 << 24
_NO_RANGE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


class NoDevices(Denied):
    """Root of a user namespace makes no devices."""

    def __init__(self, path: str) -> None:
        super().__init__(f"an ordinary user may not make the device {path!r}", hint="run as root")


def placed(
    entry: Entry, path: str, kind: Kind = Kind.FILE, *, size: int = 0, sha256: bytes = b""
) -> Entry:
    """The entry as it lies at `path`: its time in whole seconds, a link with the mode that the
    kernel gives links, and of its content no more than is said."""
    is_link = kind is Kind.SYMLINK
    return Entry(
        path,
        kind,
        0o777 if is_link else entry.mode,
        entry.uid,
        entry.gid,
        size,
        entry.mtime // _NANO * _NANO,
        entry.link if is_link else "",
        entry.device,
        entry.xattrs,
        sha256,
    )


def make_special(place: bytes, entry: Entry) -> None:
    """Make a symbolic link, device or fifo like `entry`."""
    if entry.kind is Kind.SYMLINK:
        os.symlink(os_path(entry.link), place)
    elif entry.kind is Kind.FIFO:
        os.mkfifo(place)
    elif not rights_here().devices:
        raise NoDevices(entry.path)
    else:
        kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
        os.mknod(place, kind | 0o600, os.makedev(*entry.device))


def settle(place: bytes | int, entry: Entry) -> None:
    """Give what was just made, by its path or open, the owner, mode and attributes of `entry`."""
    # In this order: a new owner takes set-id bits and capabilities away.
    follow = isinstance(place, int)
    rights = rights_here()
    if rights.owners:
        _give(place, entry, follow=follow)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(place, entry.mode)
    for name, value in entry.xattrs:
        if rights.takes(name):
            os.setxattr(place, os_path(name), value, follow_symlinks=follow)


def _give(place: bytes | int, entry: Entry, *, follow: bool) -> None:
    try:
        os.chown(place, entry.uid, entry.gid, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
        raise NotOurs(entry.path, entry.uid, entry.gid) from None


def copy_range(source: int, target: int, size: int) -> int:
    """Copy `size` bytes of a file, or what there is of them, in the kernel; returns how many."""
    ways = [
        lambda left: os.copy_file_range(source, target, left),
        lambda left: os.sendfile(target, source, None, left),
        lambda left: os.write(target, os.read(source, min(left, 1 << 20))),
    ]
    left = size
    while left:
        try:
            copied = ways[0](min(left, _PIECE))
        except OSError as error:
            if len(ways) == 1 or error.errno not in _NO_RANGE:
                raise
            ways.pop(0)
            continue
        if not copied:
            break
        left -= copied
    return size - left
