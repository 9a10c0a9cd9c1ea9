"""The upper directory of an overlay mount, read as the entries of a layer.

The result is canonical: parents before children, names sorted by their bytes,
whole seconds, numeric owners.  The same tree gives the same entries anywhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from lamina.layer.entry import KINDS, OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind, os_path, text_path
from lamina.layer.errors import BadLayer
from lamina.layer.whiteout import ROOT, Whiteouts

_NANO = 1_000_000_000


def changes(
    upper: Path, *, whiteouts: Whiteouts = ROOT, sockets: Callable[[str], object] | None = None
) -> Iterator[Entry]:
    """Every change in `upper`, whiteouts as `.wh.` markers; the root itself is none.

    Hard links within `upper`: the first name in order has the content, the
    others are HARDLINK.  Sockets are left out, as tar has none; `sockets`,
    when given, is told the path of each.

    Raises BadLayer for a name that no layer may have.
    """
    walk = _Walk(os.fsencode(upper), whiteouts)
    # A list and not recursion: a container may nest directories as deep as it likes.
    todo = walk.names("")
    while todo:
        path = todo.pop()
        try:
            found = walk.member(path)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise BadLayer(f"a name of {len(path)} bytes: …{path[-40:]!r}") from None
        yield from found
        if not found and sockets is not None:
            sockets(path)
        if found and found[0].kind is Kind.DIRECTORY:
            todo += walk.names(path)


class _Walk:
    def __init__(self, root: bytes, whiteouts: Whiteouts) -> None:
        self.base = root + b"/"
        self.whiteouts = whiteouts
        self.seen: dict[tuple[int, int], str] = {}

    def names(self, directory: str) -> list[str]:
        """The paths in a directory, the last first."""
        prefix = directory + "/" if directory else ""
        found = os.listdir(self.base + os_path(directory))
        order = _target if self.whiteouts.named else None
        return [prefix + text_path(name) for name in sorted(found, key=order, reverse=True)]

    def member(self, path: str) -> tuple[Entry, ...]:
        """What is at `path`: mostly one entry, two for an opaque directory, none for a socket."""
        place = self.base + os_path(path)
        status = os.lstat(place)
        mtime = status.st_mtime_ns // _NANO * _NANO
        owner = (status.st_uid, status.st_gid)
        if self.whiteouts.is_whiteout(status):
            parent, slash, name = path.rpartition("/")
            marker = f"{parent}{slash}{WHITEOUT_PREFIX}{name}"
            return (Entry(marker, Kind.FILE, 0, *owner, 0, mtime),)
        if path.startswith(WHITEOUT_PREFIX) or f"/{WHITEOUT_PREFIX}" in path:
            if self.whiteouts.named:
                return (Entry(path, Kind.FILE, 0, *owner, 0, mtime),)
            raise BadLayer(f"{path!r} has a name that means a deletion in a layer")
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return ()
        mode = stat.S_IMODE(status.st_mode)
        if kind is not Kind.DIRECTORY and status.st_nlink > 1:
            first = self.seen.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                return (Entry(path, Kind.HARDLINK, mode, *owner, 0, mtime, first),)
        opaque, xattrs = self.whiteouts.attributes(place)
        size = status.st_size if kind is Kind.FILE else 0
        link = text_path(os.readlink(place)) if kind is Kind.SYMLINK else ""
        device = (0, 0)
        if kind is Kind.CHAR or kind is Kind.BLOCK:
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        entry = Entry(path, kind, mode, *owner, size, mtime, link, device, xattrs)
        if not opaque or self.whiteouts.named:
            return (entry,)
        return entry, Entry(f"{path}/{OPAQUE_NAME}", Kind.FILE, 0, *owner, 0, mtime)


def _target(name: bytes) -> bytes:
    """What a name sorts by where deletions are names: by what is deleted, as devices do."""
    mark = WHITEOUT_PREFIX.encode()
    if name == OPAQUE_NAME.encode():
        return b""
    return name[len(mark) :] if name.startswith(mark) else name
