"""Blobs as files: `blobs/sha256/<hex>` of an OCI image layout."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lamina.oci.digest import Digest
from lamina.store.atomic import new_file, sweep_files, unlink
from lamina.store.errors import BlobNotFound, DigestMismatch, SizeMismatch, writing

_PIECE = 1 << 20


class DirBlobs:
    """Implements `BlobStore` (store/contract.py) on a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(
        self, stream: BinaryIO, *, expected: Digest | None = None, size: int | None = None
    ) -> Digest:
        import hashlib  # OpenSSL's, which whoever only reads can do without

        hasher, count = hashlib.sha256(), 0
        with writing(self._directory), new_file(self._directory) as file:
            while piece := stream.read(_PIECE):
                hasher.update(piece)
                count += file.write(piece)
            digest = Digest.from_raw(hasher.digest())
            if size is not None and size != count:
                raise SizeMismatch(expected, size, count)
            if expected is not None and expected != digest:
                raise DigestMismatch(expected, digest)
            # Replacing a blob that is there already also mends it if it was damaged.
            file.commit(digest.hex)
        return digest

    def put_bytes(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        try:
            if self._path(digest).read_bytes() == data:
                return digest
        except FileNotFoundError:
            pass
        return self.put(io.BytesIO(data))

    def read(self, digest: Digest) -> bytes:
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise BlobNotFound(digest) from None
        if (actual := Digest.of(data)) != digest:
            raise DigestMismatch(digest, actual)
        return data

    def open(self, digest: Digest) -> BinaryIO:
        try:
            file = io.FileIO(self._path(digest), "rb")
        except FileNotFoundError:
            raise BlobNotFound(digest) from None
        return io.BufferedReader(_Verifying(file, digest), _PIECE)

    def size(self, digest: Digest) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def has(self, digest: Digest) -> bool:
        return self._path(digest).is_file()

    def delete(self, digest: Digest) -> int:
        with writing(self._path(digest)):
            return unlink(self._path(digest))

    def __iter__(self) -> Iterator[Digest]:
        for name in os.listdir(self._directory):
            if not name.startswith("."):
                yield Digest("sha256:" + name)

    def sweep(self) -> int:
        return sweep_files(self._directory)

    def _path(self, digest: Digest) -> Path:
        return self._directory / digest.hex


class _Verifying(io.RawIOBase):
    """Reads a file and checks its digest where it ends."""

    def __init__(self, file: io.FileIO, digest: Digest) -> None:
        import hashlib

        self._file = file
        self._digest = digest
        self._hasher = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        count = self._file.readinto(buffer)
        self._hasher.update(memoryview(buffer)[:count])
        if not count:
            actual = Digest.from_raw(self._hasher.digest())
            if actual != self._digest:
                raise DigestMismatch(self._digest, actual)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
