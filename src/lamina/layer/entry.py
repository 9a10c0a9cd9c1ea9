"""One member of a layer, as the tar has it.  Pure.

Paths are `str` decoded as UTF-8 with `surrogateescape`, whatever the locale,
so that any bytes survive; `os_path` gives the kernel's form back.  A path is
relative to the layer's root, has no leading, trailing or double slash, no `.`
and no `..`; the root itself is `""`.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from enum import IntEnum

import msgspec

WHITEOUT_PREFIX = ".wh."
OPAQUE_NAME = ".wh..wh..opq"
MAX_NAME = 255
"""Bytes of one component of a path, as Linux has them."""
MAX_PATH = 4096
"""Bytes of a path."""


class Kind(IntEnum):
    """What a member is; the values are tar's typeflags (POSIX.1-2017 pax, ustar)."""

    FILE = ord("0")
    HARDLINK = ord("1")
    SYMLINK = ord("2")
    CHAR = ord("3")
    BLOCK = ord("4")
    DIRECTORY = ord("5")
    FIFO = ord("6")


KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
"""What stat(2) says a file is, by the type in its mode; a socket is nothing that a layer has."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A member of a layer: a file, a directory, a link, a device, or a whiteout marker."""

    path: str
    kind: Kind
    mode: int
    """Permission bits, set-id and sticky included: 0o7777."""
    uid: int
    gid: int
    size: int
    """Bytes of content; 0 for all but FILE."""
    mtime: int
    """Nanoseconds since the epoch."""
    link: str = ""
    """A symlink's target as written; a hard link's target as a clean path."""
    device: tuple[int, int] = (0, 0)
    """Major and minor, of CHAR and BLOCK."""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    """Extended attributes, sorted by name (pax `SCHILY.xattr.*`)."""
    sha256: bytes = b""
    """Of the content: 32 bytes, FILE only; empty while nobody has computed it."""
    offset: int = 0
    """Where the content starts in the layer's tar stream, in bytes; FILE only."""

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The directory's path; `""` is the root."""
        return self.path.rpartition("/")[0]

    @property
    def is_opaque_marker(self) -> bool:
        """Whether this says "nothing of the layers below shows in my directory"."""
        return self.path.rpartition("/")[2] == OPAQUE_NAME

    @property
    def whiteout_of(self) -> str | None:
        """The path that this marker deletes from the layers below; None when it is no marker.

        An opaque marker deletes no single path: it answers None here too.
        """
        parent, slash, name = self.path.rpartition("/")
        if not name.startswith(WHITEOUT_PREFIX) or name == OPAQUE_NAME:
            return None
        return parent + slash + name[len(WHITEOUT_PREFIX) :]

    @property
    def is_marker(self) -> bool:
        """Whether this stands for an absence: whiteout or opaque marker."""
        return self.path.rpartition("/")[2].startswith(WHITEOUT_PREFIX)


def os_path(path: str) -> bytes:
    """The bytes of `path`, as the kernel and tar have them."""
    return path.encode("utf-8", "surrogateescape")


def text_path(path: bytes) -> str:
    """`path` as the engine's text; the inverse of `os_path`."""
    return path.decode("utf-8", "surrogateescape")


def directories_above(paths: Iterable[str]) -> set[str]:
    """The directories that clean paths lie in, but for the root."""
    found: set[str] = set()
    for path in paths:
        at = path.rpartition("/")[0]
        while at and at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return found
