"""A layer's listing made anew, when the one that was written is damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.headers import HeadersReader
from lamina.layer.layer_tree import LayerTree
from lamina.layer.listing import StoredListing
from lamina.layer.tar import BLOCK, TarReader
from lamina.oci.digest import Digest
from lamina.store.errors import LayerDamaged

_LISTING = "its listing is damaged"


def relisted(
    diff_id: Digest, tar: Iterable[bytes], *, met: Callable[[Entry], object] = lambda entry: None
) -> StoredListing:
    """The listing of a tar stream, with the sha256 of every file.

    `met` gets each entry before its content is taken from `tar`.  Raises LayerDamaged
    unless the stream is the one that `diff_id` names.
    """
    whole = hashlib.sha256()
    reader = TarReader(_hashed(tar, whole.update))
    tree = LayerTree()
    entries = []
    try:
        for entry in map(tree.add, reader):
            met(entry)
            if entry.kind is Kind.FILE:
                digest = hashlib.sha256()
                for piece in reader.content():
                    digest.update(piece)
                entry = msgspec.structs.replace(entry, sha256=digest.digest())
            entries.append(entry)
    except BadLayer as error:
        raise LayerDamaged(diff_id, f"{_LISTING}, and its tar as well: {error}") from None
    if whole.digest() != diff_id.raw:
        raise LayerDamaged(diff_id, f"{_LISTING}, and its tar is not what it was")
    return StoredListing(Listing(diff_id, tuple(entries), reader.position), {})


def tar_by_headers(
    path: Path, waiting: list[Entry], content: Callable[[Entry], Iterator[bytes]]
) -> Iterator[bytes]:
    """The tar of a layer whose file `headers` is all that says what is in it.

    Whoever reads the stream puts each entry into `waiting` before it takes more, as
    `relisted` does by `met`: nobody but the reader of the headers knows when a content is due.
    """
    with HeadersReader(path) as headers:
        try:
            while True:
                if waiting:
                    entry = waiting.pop()
                    yield from content(entry)
                    yield from headers.take(-entry.size % BLOCK)
                else:
                    yield from headers.take(BLOCK)
        except (EOFError, ValueError):
            return  # if this is not their end, the digest will tell


def _hashed(tar: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in tar:
        update(piece)
        yield piece
