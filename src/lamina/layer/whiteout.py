"""How a directory tree says "gone" and "nothing below": overlayfs whiteouts and opaque directories.

Linux Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".  In tar
the same is said by names (`.wh.x`, `.wh..wh..opq`; OCI image-spec, layer.md): see `entry`.
"""

from __future__ import annotations

import os
import stat

import msgspec


class Whiteouts(msgspec.Struct, frozen=True):
    """The marks of one kind of overlay mount.

    A whiteout is a character device 0:0, which any user may make (Linux 5.8).
    An opaque directory carries an attribute, in the `trusted` name space for
    root's mounts and in `user` for mounts made with `userxattr`.
    """

    prefix: str = "trusted.overlay."

    def delete(self, path: bytes) -> None:
        """Put a whiteout at `path`.

        Its directory gets an attribute by which overlayfs looks for whiteouts there: in one
        that a single layer has it would list them as devices that cannot be opened.
        """
        os.mknod(path, stat.S_IFCHR, 0)
        os.setxattr(path[: path.rindex(b"/")], self.prefix + "origin", b"", follow_symlinks=False)

    def hide_lower(self, directory: bytes) -> None:
        """Make `directory` opaque."""
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
            elif not name.startswith(("trusted.overlay.", "user.overlay.")):
                kept.append((name, os.getxattr(path, name, follow_symlinks=False)))
        return opaque, tuple(kept)


ROOT = Whiteouts()
ROOTLESS = Whiteouts("user.overlay.")


def here(uid: int) -> Whiteouts:
    """The marks that this user's overlay mounts understand."""
    return ROOT if uid == 0 else ROOTLESS
