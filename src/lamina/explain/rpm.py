"""The database of rpm in its SQLite form, and the headers in it.

A header is two counts, an index and a store (rpm's docs/manual/format_header.md):

    offset      bytes
    0           4      entries of the index, big-endian as all numbers here
    4           4      bytes of the store
    8           16 n   tag, type, offset in the store, count
    8 + 16 n    …      the store
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lamina.errors import Corrupt
from lamina.explain.package_records import Package

_NAME, _VERSION, _RELEASE, _EPOCH, _SIZE = 1000, 1001, 1002, 1003, 1009
_VENDOR, _LICENSE, _PACKAGER = 1011, 1014, 1015
_ARCHITECTURE, _SOURCE, _LONG_SIZE = 1022, 1044, 5009
_WANTED = {_NAME, _VERSION, _RELEASE, _EPOCH, _SIZE, _ARCHITECTURE, _SOURCE, _LONG_SIZE}
_WANTED |= {_VENDOR, _LICENSE, _PACKAGER}
_INT32, _INT64, _STRING, _STRINGS, _I18N = 4, 5, 6, 8, 9
_MOST_ENTRIES = 1 << 16
"""Of an index; rpm itself refuses more."""
_MAGIC = b"SQLite format 3\0"
_LARGEST = 1 << 26
"""Bytes of a header."""
_STEPS, _TURNS = 1_000_000, 10
"""A hundred thousand packages take a million instructions."""
_KEY = "gpg-pubkey"
"""The name of a key that signs packages: a record, and no package."""


class BadRpmDatabase(Corrupt):
    """The bytes are not rpm's SQLite database."""


def rpm_packages(database: bytes, path: str) -> Iterator[Package]:
    """The packages of an rpmdb.sqlite; a damaged header is passed over.

    Raises BadRpmDatabase.
    """
    for blob in _blobs(database):
        package = _package(blob, path)
        if package is not None:
            yield package


def _blobs(database: bytes) -> list[bytes]:
    import sqlite3
    from contextlib import closing

    if not database.startswith(_MAGIC):
        raise BadRpmDatabase("the database of rpm cannot be read: it is none of SQLite's")
    with closing(sqlite3.connect(":memory:")) as connection:
        # An image may call a query that never ends, or a blob without end, a table.
        connection.set_progress_handler(_Patience(), _STEPS)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        try:
            connection.deserialize(_without_log(database))
            rows = connection.execute("SELECT blob FROM Packages").fetchall()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            raise BadRpmDatabase(f"the database of rpm cannot be read: {error}") from None
    return [blob for (blob,) in rows if isinstance(blob, bytes)]


class _Patience:
    """Ends a query that takes more than `_TURNS` times `_STEPS` instructions of SQLite's."""

    def __init__(self) -> None:
        self._turns = _TURNS

    def __call__(self) -> int:
        self._turns -= 1
        return int(self._turns < 0)


def _without_log(database: bytes) -> bytes:
    """The database as one that has no write-ahead log: bytes 18 and 19 of SQLite's header.

    rpm empties the log when it ends; in memory there is no file that could be one.
    """
    if database[18:20] == b"\x02\x02":
        return database[:18] + b"\x01\x01" + database[20:]
    return database


def _package(blob: bytes, path: str) -> Package | None:
    try:
        tags = _tags(blob)
    except (struct.error, ValueError):
        return None
    name, version = _text(tags, _NAME), _text(tags, _VERSION)
    if not name or not version or name == _KEY:
        return None
    release, epoch = _text(tags, _RELEASE), _number(tags, _EPOCH)
    return Package(
        "rpm",
        name,
        (f"{epoch}:" if epoch else "") + version + (f"-{release}" if release else ""),
        _text(tags, _ARCHITECTURE),
        _source_name(_text(tags, _SOURCE)),
        _number(tags, _LONG_SIZE) or _number(tags, _SIZE),
        path,
        _text(tags, _VENDOR) or _text(tags, _PACKAGER),
        _text(tags, _LICENSE),
    )


def _tags(blob: bytes) -> dict[int, int | str]:
    """The wanted tags; of several values the first.  Raises ValueError and struct.error."""
    entries, size = struct.unpack_from(">II", blob)
    store = 8 + 16 * entries
    if entries > _MOST_ENTRIES or store + size > len(blob):
        raise ValueError("the header is longer than its record")
    found: dict[int, int | str] = {}
    for tag, kind, offset, count in struct.iter_unpack(">IIII", blob[8:store]):
        if tag not in _WANTED or not count:
            continue
        at = store + offset
        if kind == _INT32:
            (found[tag],) = struct.unpack_from(">I", blob, at)
        elif kind == _INT64:
            (found[tag],) = struct.unpack_from(">Q", blob, at)
        elif kind in (_STRING, _STRINGS, _I18N):
            found[tag] = blob[at : blob.index(0, at)].decode("utf-8", "surrogateescape")
    return found


def _text(tags: dict[int, int | str], tag: int) -> str:
    value = tags.get(tag)
    return value if isinstance(value, str) else ""


def _number(tags: dict[int, int | str], tag: int) -> int:
    value = tags.get(tag)
    return value if isinstance(value, int) else 0


def _source_name(file: str) -> str:
    """`bash` of `bash-5.1.8-6.el9.src.rpm`."""
    return file.rsplit("-", 2)[0] if file.count("-") >= 2 else ""
