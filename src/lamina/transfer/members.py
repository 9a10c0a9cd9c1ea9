"""The files of an OCI layout or an archive, read by name: a directory or a tar, nothing unpacked.

No name that comes out of an archive is ever resolved on the host.  In a tar,
members are found by an index of offsets, links by name inside it; in a
directory, names are opened component by component and links refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from lamina.errors import Invalid, NotFound
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.tar import BLOCK, TarReader

MAX_DOCUMENT = 4 << 20
"""Bytes of a JSON document, as registries agree (distribution-spec, "Pushing Manifests")."""
_MAX_MEMBERS = 1 << 16
_MAX_LINKS = 8
_PIECE = 1 << 20
_LOOK = 4 * BLOCK


class BadArchive(Invalid):
    """An archive or layout that breaks its format, or lacks something it says it has."""


class MissingFile(NotFound):
    """An archive or layout that lacks a file it says it has."""


class Extent(NamedTuple):
    """Where a file's bytes lie."""

    fd: int
    """An open file, which need not be that file alone."""
    offset: int
    size: int


class Members(Protocol):
    """Named files; reading raises MissingFile for a name that is none, BadArchive for no file."""

    @property
    def what(self) -> str:
        """What errors call it: its path."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        ...

    def size(self, name: str) -> int:
        """Bytes of the file."""
        ...

    def chunks(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """The file from `offset` on, in pieces of at most 1 MiB."""
        ...

    def extent(self, name: str) -> AbstractContextManager[Extent]:
        """Where the file's bytes are read, for the length of a block."""
        ...


def read_document(members: Members, name: str) -> bytes:
    """A whole file of at most 4 MiB.  Raises BadArchive."""
    size = members.size(name)
    if size > MAX_DOCUMENT:
        raise BadArchive(f"{name} in {members.what} is larger than {MAX_DOCUMENT} bytes: {size}")
    return b"".join(members.chunks(name))


class DirectoryMembers:
    """The files of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def what(self) -> str:
        return str(self._directory)

    def has(self, name: str) -> bool:
        try:
            self.size(name)
        except (BadArchive, MissingFile):
            return False
        return True

    def size(self, name: str) -> int:
        with os.fdopen(self._open(name), "rb", buffering=0) as file:
            return os.fstat(file.fileno()).st_size

    def chunks(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        with os.fdopen(self._open(name), "rb", buffering=0) as file:
            file.seek(offset)
            while piece := file.read(_PIECE):
                yield piece

    @contextmanager
    def extent(self, name: str) -> Iterator[Extent]:
        with os.fdopen(self._open(name), "rb", buffering=0) as file:
            yield Extent(file.fileno(), 0, os.fstat(file.fileno()).st_size)

    def _open(self, name: str) -> int:
        """Open a regular file below the directory, following no link and no `..`."""
        parts = name.split("/")
        if "" in parts or "." in parts or ".." in parts:
            raise BadArchive(f"not a name inside {self.what}: {name!r}")
        try:
            at = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise MissingFile(f"cannot read {self.what}: {error.strerror}") from None
        try:
            for part in parts[:-1]:
                below = os.open(
                    part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at
                )
                os.close(at)
                at = below
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(parts[-1], flags, dir_fd=at)
        except FileNotFoundError:
            raise MissingFile(f"{self.what} has no {name}") from None
        except OSError as error:
            raise BadArchive(f"{name} in {self.what} cannot be read: {error.strerror}") from None
        finally:
            os.close(at)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadArchive(f"{name} in {self.what} is not a file")
        return fd


class TarMembers:
    """The files of a seekable, uncompressed tar.  Several threads may read at once.

    Where a name comes twice, the later one counts.  Raises BadArchive for a
    tar that cannot be read.
    """

    def __init__(self, file: BinaryIO, what: str) -> None:
        self._file = file  # kept open as long as this is used
        self._fd = file.fileno()
        self._what = what
        self._entries: dict[str, Entry] = {}
        size = os.fstat(self._fd).st_size
        try:
            for entry in _entries(self._fd):
                self._entries[entry.path] = entry
                if len(self._entries) > _MAX_MEMBERS:
                    raise BadArchive(f"{what} has more than {_MAX_MEMBERS} members")
                if entry.offset + entry.size > size:
                    raise BadArchive(f"{what} is cut off in {entry.path}")
        except BadLayer as error:
            raise BadArchive(f"{what} is not a tar that can be read: {error}") from None

    @property
    def what(self) -> str:
        return self._what

    def has(self, name: str) -> bool:
        try:
            self._find(name)
        except (BadArchive, MissingFile):
            return False
        return True

    def size(self, name: str) -> int:
        return self._find(name).size

    def chunks(self, name: str, *, offset: int = 0) -> Iterator[bytes]:
        entry = self._find(name)
        at, end = entry.offset + offset, entry.offset + entry.size
        while at < end:
            piece = os.pread(self._fd, min(_PIECE, end - at), at)
            if not piece:
                raise BadArchive(f"{self._what} became shorter while it was read")
            at += len(piece)
            yield piece

    @contextmanager
    def extent(self, name: str) -> Iterator[Extent]:
        entry = self._find(name)
        yield Extent(self._fd, entry.offset, entry.size)

    def _find(self, name: str) -> Entry:
        """The file that `name` stands for, through links to other members."""
        wanted = name
        for _ in range(_MAX_LINKS):
            entry = self._entries.get(wanted)
            if entry is None:
                raise MissingFile(f"{self._what} has no {name}")
            if entry.kind is Kind.FILE:
                return entry
            if entry.kind is Kind.HARDLINK:
                wanted = entry.link
            elif entry.kind is Kind.SYMLINK:
                wanted = self._target(entry)
            else:
                raise BadArchive(f"{name} in {self._what} is not a file")
        raise BadArchive(f"{name} in {self._what} is a link that leads in a circle")

    def _target(self, link: Entry) -> str:
        parts = link.parent.split("/") if link.parent else []
        for part in link.link.split("/"):
            if part == "..":
                if not parts:
                    break
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        else:
            if not link.link.startswith("/"):
                return "/".join(parts)
        raise BadArchive(f"{link.path} in {self._what} is a link that leads out of the archive")


def _entries(fd: int) -> Iterator[Entry]:
    """The entries of a tar, by jumping from header to header; offsets are the file's."""
    at = 0
    while True:
        reader = TarReader(_from(fd, at))
        entry = next(iter(reader), None)
        if entry is None:
            return
        begin = at + reader.position
        at = begin + entry.size + -entry.size % BLOCK
        yield msgspec.structs.replace(entry, offset=begin)


def _from(fd: int, at: int) -> Iterator[bytes]:
    while piece := os.pread(fd, _LOOK, at):
        at += len(piece)
        yield piece
