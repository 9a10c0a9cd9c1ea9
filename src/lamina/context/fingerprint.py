"""The digest of what a directory holds: names, kinds, modes, links and contents, no times.  Pure.

A directory's fingerprint is the sha256 of two parts: that of the records of all
in it that are no directories, and the records of its directories, both in the
order of their names.  So what is known of an unchanged directory stays of use when
one below it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lamina.layer.entry import Entry, Kind, os_path
from lamina.sha256 import sha256

NOTHING = bytes(32)
"""The content of what has none: devices and pipes."""


def record(
    name: bytes, kind: Kind, mode: int, content: bytes, *, rest: tuple[object, ...] = ()
) -> bytes:
    """One thing in a directory; `content` is a sha256: of a file, a link's target, a directory.

    `rest` is what else distinguishes it: owners where they count, a device's numbers,
    attributes.
    """
    # A link's mode is the kernel's business: it has none of its own.
    mode = 0 if kind is Kind.SYMLINK else mode
    return b"%s\0%c%x%s\0%s" % (name, kind, mode, repr(rest).encode() if rest else b"", content)


def of_target(link: str) -> bytes:
    """The content of a symbolic link."""
    return sha256(os_path(link))


def combine(others: bytes, directories: Iterable[bytes]) -> bytes:
    """The fingerprint of a directory: that of its records without directories, and theirs."""
    return sha256(others + b"".join(directories))


def of_records(records: Iterable[bytes]) -> bytes:
    """The fingerprint of records that are no directories'."""
    return sha256(b"".join(records))


def of_entries(
    entries: Iterable[Entry], content: Callable[[Entry], bytes], *, owners: bool
) -> bytes:
    """The fingerprint of a directory that has `entries`; `content` gives each one's."""
    others: list[bytes] = []
    directories: list[bytes] = []
    for entry in entries:
        into = directories if entry.kind is Kind.DIRECTORY else others
        into.append(of_entry(entry, content(entry), owners=owners))
    return combine(of_records(others), directories)


def of_entry(entry: Entry, content: bytes, *, owners: bool, name: str | None = None) -> bytes:
    """The record of one entry, by its own name or another."""
    kind = Kind.FILE if entry.kind is Kind.HARDLINK else entry.kind
    rest: tuple[object, ...] = ()
    if owners or entry.xattrs or entry.device != (0, 0):
        rest = ((entry.uid, entry.gid) if owners else (), entry.device, entry.xattrs)
    name = entry.name if name is None else name
    return record(os_path(name), kind, entry.mode, content, rest=rest)
