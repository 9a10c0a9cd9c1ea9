"""A listing as bytes: columns, compressed, under a checksum.  Pure.

    offset  bytes
    0       8      `LAMLIST` and the format, 1
    8       32     sha256 of all that follows
    40      …      zlib stream of a msgpack map of columns, one value an entry

Columns and not rows, because a column of paths or sizes is read in one step:
100,000 entries load in a tenth of a second.  docs/on-disk.md describes them.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import msgspec
from isal import isal_zlib

from lamina.errors import Corrupt
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind, os_path
from lamina.oci.digest import Digest
from lamina.sha256 import sha256

_MAGIC = b"LAMLIST\x01"
_EMPTY = sha256(b"")
UNKNOWN = bytes(32)
"""In `Columns.hashes`: nobody has computed it."""
_KINDS = {int(kind): kind for kind in Kind}


class BadListing(Corrupt):
    """The bytes are not a listing, or not all that were written."""


class StoredListing(msgspec.Struct, frozen=True):
    """A listing, and where contents lie that the tree has no room for."""

    listing: Listing
    extras: Mapping[int, int]
    """Entry.offset → position in the layer's `extra` file, for content that a later entry of
    the same tar replaced, or that came with a whiteout marker."""


class Columns(msgspec.Struct, frozen=True, array_like=True):
    """A listing by its columns, as they are stored: for who asks about millions of entries.

    A column of numbers is little-endian, one for each entry; `numbers` reads it.
    """

    diff_id: bytes
    """32 bytes."""
    tar_size: int
    count: int
    """How many entries."""
    paths: bytes
    """Joined by NUL, as `entry.os_path` gives them; `links` too."""
    links: bytes
    kinds: bytes
    """A byte each: the values of `Kind`."""
    modes: bytes
    """16 bits each."""
    uids: bytes
    """32 bits each; `gids` too."""
    gids: bytes
    sizes: bytes
    """64 bits each; `mtimes` and `offsets` too."""
    mtimes: bytes
    offsets: bytes
    hashes: bytes
    """The sha256 of each entry that has a size, one after another; 32 zeros while unknown."""
    devices: dict[int, tuple[int, int]]
    xattrs: dict[int, list[tuple[bytes, bytes]]]
    extras: dict[int, int]

    @property
    def hashed(self) -> bool:
        """Whether the sha256 of every file is known."""
        return UNKNOWN not in self.hashes


def encode(stored: StoredListing) -> bytes:
    """The bytes of a listing."""
    listing = stored.listing
    entries = listing.entries
    columns = Columns(
        listing.diff_id.raw,
        listing.tar_size,
        len(entries),
        os_path("\0".join([entry.path for entry in entries])),
        os_path("\0".join([entry.link for entry in entries])),
        bytes([entry.kind for entry in entries]),
        _pack("H", [entry.mode for entry in entries]),
        _pack("I", [entry.uid for entry in entries]),
        _pack("I", [entry.gid for entry in entries]),
        _pack("q", [entry.size for entry in entries]),
        _pack("q", [entry.mtime for entry in entries]),
        _pack("q", [entry.offset for entry in entries]),
        b"".join([entry.sha256 or UNKNOWN for entry in entries if entry.size]),
        {i: entry.device for i, entry in enumerate(entries) if entry.device != (0, 0)},
        {
            i: [(os_path(name), value) for name, value in entry.xattrs]
            for i, entry in enumerate(entries)
            if entry.xattrs
        },
        dict(stored.extras),
    )
    body = isal_zlib.compress(msgspec.msgpack.encode(columns), 2)
    return _MAGIC + sha256(body) + body


def decode(raw: bytes) -> StoredListing:
    """The listing that `raw` holds.  Raises BadListing unless every byte is as written."""
    return from_columns(decode_columns(raw))


def from_columns(columns: Columns) -> StoredListing:
    """The listing that has these columns."""
    listing = Listing(Digest.from_raw(columns.diff_id), _entries(columns), columns.tar_size)
    return StoredListing(listing, columns.extras)


def decode_columns(raw: bytes) -> Columns:
    """`decode` without an object for each entry."""
    body = memoryview(raw)[40:]
    if raw[:8] != _MAGIC or sha256(body) != raw[8:40]:
        raise BadListing("the listing's checksum does not hold")
    try:
        return msgspec.msgpack.decode(isal_zlib.decompress(body), type=Columns)
    except (msgspec.MsgspecError, isal_zlib.error) as error:  # type: ignore[misc]  # a stub value
        raise BadListing(f"the listing cannot be read: {error}") from None


def numbers(code: str, column: bytes) -> array[int]:
    """A column of numbers; `code` is that of `array`, of the column's width."""
    values: array[int] = array(code, column)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _entries(columns: Columns) -> tuple[Entry, ...]:
    sizes = numbers("q", columns.sizes)
    return tuple(
        map(
            Entry,
            _texts(columns.paths, columns.count),
            map(_KINDS.__getitem__, columns.kinds),
            numbers("H", columns.modes),
            numbers("I", columns.uids),
            numbers("I", columns.gids),
            sizes,
            numbers("q", columns.mtimes),
            _texts(columns.links, columns.count),
            _sparse(columns.devices, columns.count, (0, 0)),
            _sparse(
                {
                    i: tuple((name.decode("utf-8", "surrogateescape"), value) for name, value in x)
                    for i, x in columns.xattrs.items()
                },
                columns.count,
                (),
            ),
            _hashes(columns.kinds, sizes, columns.hashes),
            numbers("q", columns.offsets),
        )
    )


def _pack(code: str, values: Sequence[int]) -> bytes:
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _texts(column: bytes, count: int) -> list[str]:
    return column.decode("utf-8", "surrogateescape").split("\0") if count else []


def _sparse(values: Mapping[int, Any], count: int, default: Any) -> Any:
    if not values:
        return repeat(default, count)
    return [values.get(i, default) for i in range(count)]


def _hashes(kinds: bytes, sizes: Sequence[int], column: bytes) -> list[bytes]:
    filled = [column[at : at + 32] for at in range(0, len(column), 32)]
    if UNKNOWN in column:
        filled = [b"" if each == UNKNOWN else each for each in filled]
    known = iter(filled)
    file = int(Kind.FILE)
    return [
        next(known) if size else _EMPTY if kind == file else b""
        for kind, size in zip(kinds, sizes, strict=True)
    ]
