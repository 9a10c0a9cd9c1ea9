"""Between open files and streams of byte pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from lamina.oci.digest import Digest

_PIECE = 1 << 20


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """The rest of an open file in pieces of at most 1 MiB."""
    while piece := file.read(_PIECE):
        yield piece


def write_all(file: BinaryIO, piece: bytes) -> None:
    """Write the whole of `piece`; an unbuffered file may take less at a time."""
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


def sha256_of(chunks: Iterable[bytes]) -> Digest:
    """The digest of a stream."""
    hasher = hashlib.sha256()
    for piece in chunks:
        hasher.update(piece)
    return Digest.from_raw(hasher.digest())
