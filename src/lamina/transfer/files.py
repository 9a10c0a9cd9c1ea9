"""Where layouts and archives are written: a directory, or a tar stream."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from lamina.layer.entry import Entry, Kind
from lamina.layer.tarwriter import write_tar
from lamina.oci.descriptor import Descriptor
from lamina.store.errors import writing
from lamina.transfer.layout import INDEX_FILE, LAYOUT_FILE, layout_document, merged_index
from lamina.transfer.pieces import write_all


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

    def finish(self, entries: Sequence[Descriptor]) -> None:
        with self._locked():
            self._replace(LAYOUT_FILE, [layout_document()])
            index = self._directory / INDEX_FILE
            before = index.read_bytes() if index.is_file() else None
            self._replace(INDEX_FILE, [merged_index(before, entries)])

    def _replace(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._directory / name
        with writing(path):
            fd, temporary = tempfile.mkstemp(prefix=".lamina-", dir=path.parent)
            try:
                with os.fdopen(fd, "wb", buffering=0) as file:
                    for piece in chunks:
                        write_all(file, piece)
                    os.fchmod(fd, 0o644)
                    os.fsync(fd)
                os.rename(temporary, path)
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

    Names, order and content decide every byte: no clock, no owner.
    """

    def __init__(self, stream: BinaryIO, what: str) -> None:
        self._stream = stream
        self._what = what
        self._names: set[str] = set()
        self._lock = Lock()

    def has(self, name: str) -> bool:
        return name in self._names

    def write(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        with self._lock:
            if name in self._names:
                return
            entries = [*self._directories(name), _entry(name, Kind.FILE, size)]
            # All but the two blocks of zeros, which come with `finish`.
            self._write(_without_end(write_tar(entries, lambda _: chunks)))
            self._names.add(name)

    def finish(self, entries: Sequence[Descriptor]) -> None:
        for name, raw in (
            (LAYOUT_FILE, layout_document()),
            (INDEX_FILE, merged_index(None, entries)),
        ):
            self.write(name, len(raw), [raw])
        self._write(write_tar([], lambda _: []))
        with writing(self._what):
            self._stream.flush()

    def _directories(self, name: str) -> Iterator[Entry]:
        """The entries of the directories above `name` that have none yet."""
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            if directory not in self._names:
                self._names.add(directory)
                yield _entry(directory, Kind.DIRECTORY, 0)

    def _write(self, pieces: Iterable[bytes]) -> None:
        with writing(self._what):
            for piece in pieces:
                write_all(self._stream, piece)


def _entry(name: str, kind: Kind, size: int) -> Entry:
    mode = 0o755 if kind is Kind.DIRECTORY else 0o644
    return Entry(name, kind, mode, 0, 0, size, 0)


def _without_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All pieces but the last."""
    before: bytes | None = None
    for piece in pieces:
        if before is not None:
            yield before
        before = piece
