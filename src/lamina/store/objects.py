"""`objects/`: one inode for one file, whichever layers have it.

Two layers that hold the same path with the same content and metadata link to
one inode, so the disk and the page cache are shared across images.  The path
is part of the key on purpose: within one merged view each inode then has one
name, and nothing in a container can take two files for hard links.
"""

from __future__ import annotations

import errno
import os
from binascii import b2a_base64
from pathlib import Path

from lamina.layer.entry import Entry, os_path
from lamina.sha256 import sha256

_LISTED = 4 << 20
"""Bytes of the directory up to which its names are read at once (some 60,000 of them)."""
_KEY = 20
"""Bytes of the digest in a name: 160 bits. The whole would make the directory larger by half."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PRIVATE = ("etc/", "var/spool/")
"""Never shared: cron and its like refuse their files when the link count is over one."""


class Objects:
    """The files that layers share (implements `layer.apply.Shared`)."""

    def __init__(self, directory: Path, names: frozenset[bytes] | None = None) -> None:
        self._base = os.path.join(os.fsencode(directory), b"")
        self._names = names

    def remembered(self) -> Objects:
        """The same objects for the length of one layer, their names read once.

        Most files of a first pull are not known, and to ask the kernel of each would
        cost a tenth of it.  What another process adds meanwhile is not taken.
        """
        if os.stat(self._base).st_size > _LISTED:
            return self
        names = frozenset(os.listdir(self._base))
        return Objects(Path(os.fsdecode(self._base)), names)

    def key(self, entry: Entry) -> bytes | None:
        """The name of the object's file: a digest of path, content and metadata.

        None for what is not shared.
        """
        if not entry.size or entry.path.startswith(_PRIVATE):
            return None
        text = b"%b\0%d %d %d %d\0%b" % (
            os_path(entry.path),
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime,
            entry.sha256,
        )
        for attribute, value in entry.xattrs:
            text += b"\0%b=%d:%b" % (os_path(attribute), len(value), value)
        return b2a_base64(sha256(text)[:_KEY], newline=False).rstrip(b"=").translate(_URL_SAFE)

    def take(self, key: bytes, target: bytes) -> bool:
        if self._names is not None and key not in self._names:
            return False
        known = self._base + key
        try:
            os.link(known, target)
        except FileNotFoundError:
            return False
        except FileExistsError:
            return self._replace(known, target)
        except OSError as error:
            if error.errno == errno.EMLINK:
                return False
            raise
        return True

    def _replace(self, known: bytes, target: bytes) -> bool:
        aside = target[: target.rfind(b"/") + 1] + b".wh..lamina-link"
        try:
            if os.path.samestat(os.lstat(known), os.lstat(target)):
                return True  # rename(2) would leave both names of one file
            os.link(known, aside)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno == errno.EMLINK:
                return False
            raise
        os.rename(aside, target)
        return True

    def offer(self, key: bytes, target: bytes) -> None:
        """Let later layers link to `target`, unless it is gone already."""
        try:
            os.link(target, self._base + key)
        except (FileExistsError, FileNotFoundError):
            pass
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise

    def inode(self, entry: Entry) -> os.stat_result | None:
        """The status of the object for `entry`, if there is one."""
        key = self.key(entry)
        if key is None:
            return None
        try:
            return os.lstat(self._base + key)
        except FileNotFoundError:
            return None

    def release(self, entry: Entry) -> int:
        """Delete the object if no layer has it any more; returns the bytes of disk freed."""
        key = self.key(entry)
        return self._drop(self._base + key) if key is not None else 0

    def sweep(self) -> int:
        """Delete every object that no layer has; returns the bytes of disk freed."""
        with os.scandir(self._base) as items:
            return sum(self._drop(item.path) for item in items)

    @staticmethod
    def _drop(path: bytes) -> int:
        try:
            status = os.lstat(path)
            if status.st_nlink > 1:
                return 0
            os.unlink(path)
        except FileNotFoundError:
            return 0
        return status.st_blocks * 512
