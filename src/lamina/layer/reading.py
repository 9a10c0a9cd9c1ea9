"""A layer's tar read for its listing alone: nothing of it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import DiffIdMismatch
from lamina.layer.hashing import BackgroundHash
from lamina.layer.layer_tree import LayerTree
from lamina.layer.tar import TarReader
from lamina.oci.digest import Digest


def read_listing(
    tar: Iterable[bytes], diff_id: Digest, *, met: Callable[[Entry], object] = lambda entry: None
) -> Listing:
    """The listing of a tar stream, with the sha256 of every file.

    `met` gets each entry before its content is taken from `tar`.  Constant memory but for
    the entries.  Raises BadLayer, and DiffIdMismatch unless the stream is the one that
    `diff_id` names.
    """
    tree = LayerTree()
    entries = []
    with BackgroundHash() as whole:
        reader = TarReader(_fed(tar, whole.feed))
        for entry in map(tree.add, reader):
            met(entry)
            entries.append(_hashed(entry, reader) if entry.kind is Kind.FILE else entry)
    actual = Digest.from_raw(whole.digest())
    if actual != diff_id:
        raise DiffIdMismatch(diff_id, actual)
    return Listing(diff_id, tuple(entries), reader.position)


def _hashed(entry: Entry, reader: TarReader) -> Entry:
    digest = hashlib.sha256()
    for piece in reader.content():
        digest.update(piece)
    return msgspec.structs.replace(entry, sha256=digest.digest())


def _fed(tar: Iterable[bytes], feed: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in tar:
        feed(piece)
        yield piece
