"""The upper directory of an overlay mount, read as the entries of a layer.

The result is canonical: parents before children, names sorted by their bytes,
whole seconds, numeric owners.  The same tree gives the same entries anywhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind, text_path
from lamina.layer.whiteout import ROOT, Whiteouts

_NANO = 1_000_000_000
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}


def changes(upper: Path, *, whiteouts: Whiteouts = ROOT) -> Iterator[Entry]:
    """Every change in `upper`, whiteouts as `.wh.` markers; the root itself is none.

    Hard links within `upper`: the first name in order has the content, the
    others are HARDLINK.  Sockets are left out, as tar has none.
    """
    return _Walk(whiteouts).directory(os.fsencode(upper), "")


class _Walk:
    def __init__(self, whiteouts: Whiteouts) -> None:
        self.whiteouts = whiteouts
        self.seen: dict[tuple[int, int], str] = {}

    def directory(self, place: bytes, path: str) -> Iterator[Entry]:
        with os.scandir(place) as items:
            names = sorted(item.name for item in items)
        for name in names:
            yield from self.member(place + b"/" + name, path, text_path(name))

    def member(self, place: bytes, parent: str, name: str) -> Iterator[Entry]:
        status = os.lstat(place)
        path = f"{parent}/{name}" if parent else name
        mtime = status.st_mtime_ns // _NANO * _NANO
        owner = (status.st_uid, status.st_gid)
        if self.whiteouts.is_whiteout(status):
            marker = f"{parent}/{WHITEOUT_PREFIX}{name}" if parent else WHITEOUT_PREFIX + name
            yield Entry(marker, Kind.FILE, 0, *owner, 0, mtime)
            return
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return
        mode = stat.S_IMODE(status.st_mode)
        if kind is not Kind.DIRECTORY and status.st_nlink > 1:
            first = self.seen.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                yield Entry(path, Kind.HARDLINK, mode, *owner, 0, mtime, first)
                return
        opaque, xattrs = self.whiteouts.attributes(place)
        size = status.st_size if kind is Kind.FILE else 0
        link = text_path(os.readlink(place)) if kind is Kind.SYMLINK else ""
        device = (0, 0)
        if kind is Kind.CHAR or kind is Kind.BLOCK:
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        yield Entry(path, kind, mode, *owner, size, mtime, link, device, xattrs)
        if kind is Kind.DIRECTORY:
            if opaque:
                yield Entry(f"{path}/{OPAQUE_NAME}", Kind.FILE, 0, *owner, 0, mtime)
            yield from self.directory(place, path)
