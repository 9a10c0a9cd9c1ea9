"""Where layouts and archives are written: a directory, or a tar stream."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from lamina.errors import Unavailable
from lamina.layer.entry import Entry, Kind
from lamina.layer.pipeline import Tally, reading, tallied
from lamina.layer.tar import BLOCK
from lamina.layer.tarwriter import encode_header, write_tar
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.errors import writing
from lamina.transfer.layout import (
    INDEX_FILE,
    LAYOUT_FILE,
    blob_name,
    layout_document,
    merged_index,
)
from lamina.transfer.pieces import read_pieces, write_all


class CutOff(Unavailable):
    """An output that cannot be taken back has a part of a file in it."""


class DirectoryFiles:
    """Implements `Files` in a directory, which is made if it is not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with writing(directory):
            (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        return (self._directory / name).is_file()

    def write(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        if not self.has(name):
            self._replace(name, chunks)

    def write_blob(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        tally = Tally()
        directory = self._directory / "blobs" / "sha256"
        with self._written(directory, tallied(chunks, tally)) as temporary:
            os.rename(temporary, directory / tally.digest.hex)
        return tally.digest, tally.size

    def finish(self, entries: Sequence[Descriptor]) -> None:
        with self._locked():
            self._replace(LAYOUT_FILE, [layout_document()])
            index = self._directory / INDEX_FILE
            before = index.read_bytes() if index.is_file() else None
            self._replace(INDEX_FILE, [merged_index(before, entries)])

    def _replace(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._directory / name
        with self._written(path.parent, chunks) as temporary:
            os.rename(temporary, path)

    @contextmanager
    def _written(self, directory: Path, chunks: Iterable[bytes]) -> Iterator[str]:
        """A new file there, on disk, for the block to rename."""
        with writing(directory):
            fd, temporary = create(directory, ".lamina-")
            try:
                with os.fdopen(fd, "wb", buffering=0) as file:
                    with reading(chunks) as pieces:
                        for piece in pieces:
                            write_all(file, piece)
                    os.fchmod(fd, 0o644)
                    os.fsync(fd)
                yield temporary
            except BaseException:
                os.unlink(temporary)
                raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Against another writer of the same index."""
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


class TarFiles:
    """Implements `Files` as a tar written to `stream`, member after member.

    Names, order and content decide every byte: no clock, no owner, and not
    whether `stream` is a file or a pipe.  In a file a blob is written at once
    and its header, which tells its size, afterwards; for a pipe it goes
    through a temporary file.  What fails is taken back, from a pipe it is
    not: then everything later raises CutOff.
    """

    def __init__(self, stream: BinaryIO, what: str) -> None:
        self._stream = stream
        self._what = what
        self._names: set[str] = set()
        self._lock = Lock()
        self._rewritable = _is_rewritable(stream)
        self._cut_off = False

    def has(self, name: str) -> bool:
        return name in self._names

    def write(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        with self._lock:
            if name in self._names:
                return
            directories = self._directories(name)
            entries = [*map(_directory, directories), _file(name, size)]
            with self._member():
                # All but the two blocks of zeros, which come with `finish`.
                self._write(_without_end(write_tar(entries, lambda _: chunks)))
            self._names.update((*directories, name))

    def write_blob(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        tally = Tally()
        pieces = tallied(chunks, tally)
        if self._rewritable:
            with self._lock, self._member() as start:
                self._write_in_place(start, pieces, tally)
            return tally.digest, tally.size
        import tempfile

        with tempfile.TemporaryFile(prefix="lamina-") as spool:
            with writing("a temporary copy of a layer"):
                for piece in pieces:
                    write_all(spool, piece)
                spool.flush()
            spool.seek(0)
            self.write(blob_name(tally.digest), tally.size, read_pieces(spool))
        return tally.digest, tally.size

    def finish(self, entries: Sequence[Descriptor]) -> None:
        for name, raw in (
            (LAYOUT_FILE, layout_document()),
            (INDEX_FILE, merged_index(None, entries)),
        ):
            self.write(name, len(raw), [raw])
        self._write(write_tar([], lambda _: []))
        with writing(self._what):
            self._stream.flush()

    def _write_in_place(self, start: int, pieces: Iterator[bytes], tally: Tally) -> None:
        """Write a blob behind room for its header, then the header."""
        directories = self._directories(blob_name(tally.digest))
        before = b"".join(encode_header(_directory(each)) for each in directories)
        self._write([before, bytes(BLOCK)])
        self._write(pieces)
        name = blob_name(tally.digest)
        if name in self._names:
            self._take_back(start)
            return
        self._write([bytes(-tally.size % BLOCK)])
        header = encode_header(_file(name, tally.size))
        place = start + len(before)
        with writing(self._what):
            self._stream.flush()
            end = self._stream.tell()
            if more := len(header) - BLOCK:  # from 8 GiB on the size stands in a pax header
                move_up(self._stream.fileno(), place + BLOCK, end, more)
            self._stream.seek(place)
            write_all(self._stream, header)
            self._stream.seek(end + more)
        self._names.update((*directories, name))

    @contextmanager
    def _member(self) -> Iterator[int]:
        """The place of a new member, which is taken back when the block fails."""
        if self._cut_off:
            raise CutOff(
                f"{self._what} has a part of a file in it that cannot be taken back",
                hint="try again, or write to a file with -o",
            )
        start = self._stream.tell() if self._rewritable else 0
        try:
            yield start
        except BaseException:
            self._cut_off = True
            if self._rewritable:
                try:
                    self._take_back(start)
                    self._cut_off = False
                except OSError:  # a full disk: the buffer cannot be emptied
                    pass
            raise

    def _take_back(self, start: int) -> None:
        self._stream.seek(start)
        self._stream.truncate()

    def _directories(self, name: str) -> list[str]:
        """The directories above `name` that are not there yet."""
        parts = name.split("/")[:-1]
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        return [each for each in above if each not in self._names]

    def _write(self, pieces: Iterable[bytes]) -> None:
        with writing(self._what), reading(pieces) as source:
            for piece in source:
                write_all(self._stream, piece)


def _is_rewritable(stream: BinaryIO) -> bool:
    """Whether what was written can be read and changed: a file, opened for more than writing
    (`>`) or appending (`>>`) to it."""
    try:
        fd = stream.fileno()
        mode, flags = os.fstat(fd).st_mode, fcntl.fcntl(fd, fcntl.F_GETFL)
    except OSError:  # io.UnsupportedOperation too: a stream in memory
        return False
    return stat.S_ISREG(mode) and flags & (os.O_ACCMODE | os.O_APPEND) == os.O_RDWR


def create(directory: Path, prefix: str, mode: int = 0o600) -> tuple[int, str]:
    """A new file of a random name, in `mode` as the umask has it: its descriptor and its path.

    It is as `tempfile.mkstemp` makes it, which costs a start 2 ms.
    """
    path = os.path.join(os.path.abspath(directory), f"{prefix}{os.urandom(4).hex()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), path


def move_up(fd: int, start: int, end: int, by: int, *, piece: int = 1 << 20) -> None:
    """Move the bytes of a file from `start` to `end` up by `by`, `piece` bytes at a time."""
    for at in reversed(range(start, end, piece)):
        data = os.pread(fd, min(piece, end - at), at)
        while data:
            written = os.pwrite(fd, data, at + by)
            data, at = data[written:], at + written


def _directory(name: str) -> Entry:
    return Entry(name, Kind.DIRECTORY, 0o755, 0, 0, 0, 0)


def _file(name: str, size: int) -> Entry:
    return Entry(name, Kind.FILE, 0o644, 0, 0, size, 0)


def _without_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All pieces but the last."""
    before: bytes | None = None
    for piece in pieces:
        if before is not None:
            yield before
        before = piece
