"""A build context that comes as a tar, plain or compressed: unpacked before it is looked at.

Safe as `layer/apply` is: the directory belongs to this writer alone, and everything
goes under directories that it made itself, never through a symbolic link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from lamina.context.stream import Stream
from lamina.errors import Denied, EngineError, Invalid
from lamina.layer.compression import BadCompression, decompress
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer
from lamina.layer.layer_tree import IMPLIED_MODE
from lamina.layer.tar import BLOCK, TarReader
from lamina.store.atomic import write_whole

_PIECE = 1 << 20
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAGIC = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class BadArchive(Invalid):
    """An archive that is damaged, cut off, or would write where it must not."""

    def __init__(self, problem: object) -> None:
        super().__init__(f"the archive of the build context cannot be used: {problem}")


def is_archive(head: bytes) -> bool:
    """Whether what begins with `head` (1 KiB of it, or all) is a tar, or compressed."""
    if head.startswith(_MAGIC) or head[257:262] == b"ustar":
        return True
    try:
        return len(head) >= BLOCK and next(iter(TarReader([head])), None) is not None
    except EngineError:
        return False


def unpack_context(stream: Stream, directory: Path) -> None:
    """Unpack below `directory`, which exists and is empty: modes and times, but no owners.

    Compressed with gzip, bzip2, xz or zstd, or not.  Constant memory but for names.
    Raises BadArchive and Denied; the caller removes what was written.
    """
    try:
        reader = TarReader(decompress(_pieces(stream), None, limit=None, what="the context"))
        unpacker = _Unpacker(os.fsencode(directory))
        for entry in reader:
            unpacker.add(entry, reader.content())
        unpacker.finish()
    except (BadLayer, BadCompression) as error:
        raise BadArchive(error) from None


def _pieces(stream: Stream) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


class _Unpacker:
    def __init__(self, base: bytes) -> None:
        self._base = base
        self._kinds: dict[str, Kind] = {"": Kind.DIRECTORY}
        self._directories: dict[str, Entry] = {}

    def add(self, entry: Entry, content: Iterable[memoryview]) -> None:
        path = entry.path
        self._parents(path)
        if entry.kind is Kind.DIRECTORY:
            self._directory(path)
            self._directories[path] = entry
            return
        self._clear(path)
        try:
            self._make(entry, content)
        except PermissionError:
            raise Denied(
                f"this user may not make {path!r}, which the build context has", hint="run as root"
            ) from None
        self._kinds[path] = entry.kind

    def finish(self) -> None:
        """Modes and times of directories, the deepest first: a mode may forbid to go on."""
        for path, entry in sorted(self._directories.items(), reverse=True):
            if path:
                os.chmod(self._place(path), entry.mode)
                os.utime(self._place(path), ns=(entry.mtime, entry.mtime))

    def _place(self, path: str) -> bytes:
        return self._base + b"/" + os_path(path)

    def _parents(self, path: str) -> None:
        """Make the directories above `path`, 0755 where the archive has no word of them."""
        at = 0
        while (at := path.find("/", at + 1)) > 0:
            self._directory(path[:at])

    def _directory(self, path: str) -> None:
        kind = self._kinds.get(path)
        if kind is None:
            os.mkdir(self._place(path), 0o700)
            os.chmod(self._place(path), IMPLIED_MODE)
            self._kinds[path] = Kind.DIRECTORY
        elif kind is not Kind.DIRECTORY:
            raise BadArchive(f"{path!r} is no directory, and has something below it")

    def _clear(self, path: str) -> None:
        kind = self._kinds.pop(path, None)
        if kind is Kind.DIRECTORY:
            raise BadArchive(f"{path!r} comes as a directory and as something else")
        if kind is not None:
            os.unlink(self._place(path))

    def _make(self, entry: Entry, content: Iterable[memoryview]) -> None:
        target = self._place(entry.path)
        if entry.kind is Kind.FILE:
            self._file(entry, content)
            return
        if entry.kind is Kind.HARDLINK:
            if self._kinds.get(entry.link, Kind.DIRECTORY) is Kind.DIRECTORY:
                raise BadArchive(
                    f"{entry.path!r} is a hard link to {entry.link!r}, which is no file"
                )
            os.link(self._place(entry.link), target, follow_symlinks=False)
            return
        if entry.kind is Kind.SYMLINK:
            os.symlink(os_path(entry.link), target)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(target, 0o600)
        else:
            kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
            os.mknod(target, kind | 0o600, os.makedev(*entry.device))
        if entry.kind is not Kind.SYMLINK:
            os.chmod(target, entry.mode)

    def _file(self, entry: Entry, content: Iterable[memoryview]) -> None:
        fd = os.open(self._place(entry.path), _CREATE, 0o600)
        try:
            for piece in content:
                write_whole(fd, piece)
            os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)
