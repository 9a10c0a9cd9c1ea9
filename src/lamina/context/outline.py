"""What a part of a tree holds, small enough to be kept: to say later what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from lamina.context.directory import Context
from lamina.context.known import Directory, split
from lamina.context.tree import Tree
from lamina.layer.entry import Entry, Kind, os_path

_DIGEST = 8
"""Bytes of each digest that are kept: enough to see a change."""
_STAMP, _MODE, _SHA256 = 36, 32, 32


class Columns(msgspec.Struct, array_like=True, gc=False):
    """What is in one directory: a column each for names, modes and digests."""

    names: bytes
    """Each ends with a zero byte; before that with a slash when it is a directory."""
    modes: bytes
    """Two bytes each, the lower one first: kind and permissions, as in `st_mode`."""
    digests: bytes
    """The first eight bytes of a file's or link's digest; zeros for a directory."""

    def entries(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Name, mode and digest of each."""
        for place, name in enumerate(split(self.names)):
            mode = int.from_bytes(self.modes[2 * place : 2 * place + 2], "little")
            yield name, mode, self.digests[_DIGEST * place : _DIGEST * (place + 1)]


Outline = dict[bytes, Columns]
"""By the directory's path."""
Facts = tuple[int, bytes]
"""Mode and digest of one thing in a tree."""


def outline(tree: Tree, selected: Iterable[Entry]) -> Outline:
    """Of these files and of all below these directories, whose digests are known by now.

    A context of 20,000 files takes a few milliseconds and less than 500 kB.
    """
    found: Outline = {}
    single: dict[bytes, list[tuple[bytes, int, bytes]]] = {}
    for entry in selected:
        if entry.kind is not Kind.DIRECTORY:
            parent, _, name = os_path(entry.path).rpartition(b"/")
            single.setdefault(parent, []).append((name, *facts(tree, entry)))
        elif isinstance(tree, Context):
            for path, directory in tree.below(entry):
                found[path] = _columns(directory)
        else:
            found |= _walked(tree, entry)
    for parent, rows in single.items():
        before = list(found[parent].entries()) if parent in found else []
        found[parent] = _of_rows([*before, *rows])
    return found


def flat(outline: Outline) -> dict[bytes, Facts]:
    """By path; directories' end with a slash."""
    return {
        path + b"/" + name if path else name: (mode, digest)
        for path, columns in outline.items()
        for name, mode, digest in columns.entries()
    }


def count(outline: Outline) -> int:
    """How many files are in it, directories not counted."""
    return sum(
        columns.names.count(b"\0") - columns.names.count(b"/\0") for columns in outline.values()
    )


def _columns(directory: Directory) -> Columns:
    names = directory.names + directory.directories.replace(b"\0", b"/\0")
    stamps = directory.stamps + directory.directory_stamps
    total = len(stamps) // _STAMP
    files = len(directory.stamps) // _STAMP
    # A slice with a step takes one byte of every record, all in one go.
    modes = bytearray(2 * total)
    for place in range(2):
        modes[place::2] = stamps[_MODE + place :: _STAMP]
    digests = bytearray(_DIGEST * files)
    for place in range(_DIGEST):
        digests[place::_DIGEST] = directory.digests[place::_SHA256]
    return Columns(names, bytes(modes), bytes(digests) + bytes(_DIGEST * (total - files)))


def walk(tree: Tree, top: Entry) -> Iterator[Entry]:
    """An entry, and all below it when it is a directory."""
    waiting = [top]
    while waiting:
        entry = waiting.pop()
        yield entry
        if entry.kind is Kind.DIRECTORY:
            waiting += reversed(tree.children(entry.path))


def _walked(tree: Tree, top: Entry) -> Outline:
    rows: dict[bytes, list[tuple[bytes, int, bytes]]] = {os_path(top.path): []}
    for entry in walk(tree, top):
        if entry is top:
            continue
        name = os_path(entry.name)
        if entry.kind is Kind.DIRECTORY:
            rows[os_path(entry.path)] = []
            name += b"/"
        rows[os_path(entry.parent)].append((name, *facts(tree, entry)))
    return {path: _of_rows(each) for path, each in rows.items()}


def _of_rows(rows: Iterable[tuple[bytes, int, bytes]]) -> Columns:
    names, modes, digests = zip(*rows, strict=True) if rows else ((), (), ())
    return Columns(
        b"".join(name + b"\0" for name in names),
        b"".join(mode.to_bytes(2, "little") for mode in modes),
        b"".join(digests),
    )


_TYPES = {
    Kind.FILE: 0o100000,
    Kind.HARDLINK: 0o100000,
    Kind.SYMLINK: 0o120000,
    Kind.DIRECTORY: 0o040000,
    Kind.CHAR: 0o020000,
    Kind.BLOCK: 0o060000,
    Kind.FIFO: 0o010000,
}


def facts(tree: Tree, entry: Entry) -> Facts:
    """Mode and digest of one entry."""
    mode = _TYPES[entry.kind] | entry.mode
    if entry.kind in (Kind.FILE, Kind.HARDLINK):
        return mode, tree.digest(entry)[:_DIGEST]
    if entry.kind is Kind.SYMLINK:
        from lamina.context.fingerprint import of_target

        return mode, of_target(entry.link)[:_DIGEST]
    return mode, bytes(_DIGEST)
