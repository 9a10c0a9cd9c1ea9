"""A layer's listing made anew, when the one that was written is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lamina.layer.entry import Entry
from lamina.layer.errors import BadLayer, DiffIdMismatch
from lamina.layer.headers import HeadersReader
from lamina.layer.listing import StoredListing
from lamina.layer.reading import read_listing
from lamina.layer.tar import BLOCK
from lamina.oci.digest import Digest
from lamina.store.errors import LayerDamaged


def relisted(
    diff_id: Digest, tar: Iterable[bytes], *, met: Callable[[Entry], object] = lambda entry: None
) -> StoredListing:
    """The listing of a layer's tar, with the sha256 of every file (see `read_listing`).

    Raises LayerDamaged unless it is the stream that `diff_id` names.
    """
    try:
        return StoredListing(read_listing(tar, diff_id, met=met), {})
    except BadLayer as error:
        reason = f"its tar as well: {error}"
    except DiffIdMismatch:
        reason = "its tar is not what it was"
    raise LayerDamaged(diff_id, f"its listing is damaged, and {reason}")


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
