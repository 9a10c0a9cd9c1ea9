"""How a directory tree says "gone" and "nothing below": overlayfs whiteouts and opaque directories.

Linux Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".  In tar
the same is said by names (`.wh.x`, `.wh..wh..opq`; OCI image-spec, layer.md): see `entry`.
"""

from __future__ import annotations

import os
import stat

import msgspec

from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX
from lamina.linux.initial import is_initial


class Whiteouts(msgspec.Struct, frozen=True):
    """The marks of one kind of overlay mount.

    A whiteout is a character device 0:0, which any user may make (Linux 5.8).
    An opaque directory carries an attribute, in the `trusted` name space for
    root's mounts and in `user` for mounts made with `userxattr`.
    """

    prefix: str = "trusted.overlay."
    named: bool = False
    """By names, as in tar, where neither such devices nor such attributes can be made: on
    overlayfs itself, and without CAP_SYS_ADMIN.  No kernel mounts that; fuse-overlayfs does."""

    def delete(self, path: bytes) -> None:
        """Put a whiteout at `path`.

        Its directory gets an attribute by which overlayfs looks for whiteouts there: in one
        that a single layer has it would list them as devices that cannot be opened.
        """
        if self.named:
            parent, slash, name = path.rpartition(b"/")
            _make_mark(parent + slash + WHITEOUT_PREFIX.encode() + name)
            return
        os.mknod(path, stat.S_IFCHR, 0)
        os.setxattr(path[: path.rindex(b"/")], self.prefix + "origin", b"", follow_symlinks=False)

    def hide_lower(self, directory: bytes) -> None:
        """Make `directory` opaque."""
        if self.named:
            _make_mark(directory + b"/" + OPAQUE_NAME.encode())
            return
        os.setxattr(directory, self.prefix + "opaque", b"y", follow_symlinks=False)

    def is_whiteout(self, status: os.stat_result) -> bool:
        """Whether the file of that status stands for a deletion."""
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0

    def attributes(self, path: bytes) -> tuple[bool, tuple[tuple[str, bytes], ...]]:
        """Whether `path` is opaque, and its extended attributes without overlayfs' own."""
        names = os.listxattr(path, follow_symlinks=False)
        if not names:
            return False, ()
        opaque = False
        kept: list[tuple[str, bytes]] = []
        for name in sorted(names):
            if name.startswith(self.prefix):
                if name == self.prefix + "opaque":
                    opaque = os.getxattr(path, name, follow_symlinks=False) == b"y"
            elif not name.startswith(_PRIVATE):
                kept.append((name, os.getxattr(path, name, follow_symlinks=False)))
        return opaque, tuple(kept)


_PRIVATE = ("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.")
"""Attributes by which overlays keep their own books."""
ROOT = Whiteouts()
ROOTLESS = Whiteouts("user.overlay.")
NAMED = Whiteouts(named=True)


def here(uid: int) -> Whiteouts:
    """The marks that this user's overlay mounts understand."""
    return ROOT if uid == 0 and is_initial() else ROOTLESS


def _make_mark(path: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, 0o600))
