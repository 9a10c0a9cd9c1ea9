"""ADD of an archive: a tar, plain or compressed, unpacked over the merged view."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lamina.context.tree import Tree
from lamina.copying.upper import Upper
from lamina.errors import EngineError
from lamina.layer.compression import decompress
from lamina.layer.entry import Entry, Kind
from lamina.layer.errors import BadLayer
from lamina.layer.layer_tree import check_entry
from lamina.layer.tar import BLOCK, TarReader, is_header

_PIECE = 1 << 20


def is_archive(tree: Tree, entry: Entry) -> bool:
    """Whether the file's content, decompressed, begins as a tar does; its name says nothing."""
    if entry.kind not in (Kind.FILE, Kind.HARDLINK):
        return False
    head = b""
    try:
        for piece in _pieces(tree, entry):
            head += piece[: BLOCK - len(head)]
            if len(head) == BLOCK:
                break
    except EngineError:
        return False
    return is_header(head)


def unpack(
    tree: Tree, archive: Entry, upper: Upper, dest: str, owner: tuple[int, int] | None
) -> None:
    """Unpack into the directory `dest`: links in parents are followed inside the root.

    A directory that is there stays, and takes the archive's owner, mode and time; anything
    else that is in the way is replaced, as tar does.  Owners are the archive's, unless
    `owner` is given.  Raises BadLayer, BadCompression, InTheWay.
    """
    reader = TarReader(_pieces(tree, archive))
    for entry in reader:
        if not entry.path:
            continue
        check_entry(entry)
        if owner is not None:
            entry = msgspec.structs.replace(entry, uid=owner[0], gid=owner[1])
        parent = upper.resolve(f"{dest}/{entry.parent}")
        upper.make_directories(parent)
        path = f"{parent}/{entry.name}" if parent else entry.name
        found = upper.lookup(path)
        merges = entry.kind is Kind.DIRECTORY
        if found is not None and (found.kind is Kind.DIRECTORY) is not merges:
            upper.remove(path)
        if merges:
            upper.put_directory(path, entry)
        elif entry.kind is Kind.FILE:
            upper.write_file(path, entry, reader.content())
        elif entry.kind is Kind.HARDLINK:
            _link(upper, path, entry, dest)
        else:
            upper.put_special(path, entry)


def _link(upper: Upper, path: str, entry: Entry, dest: str) -> None:
    directory, _, name = entry.link.rpartition("/")
    target = upper.resolve(f"{dest}/{directory}")
    if not upper.put_link(path, f"{target}/{name}".lstrip("/")):
        raise BadLayer(f"{entry.path!r} is a hard link to {entry.link!r}, which is no file")


def _pieces(tree: Tree, entry: Entry) -> Iterator[bytes]:
    return decompress(_raw(tree, entry), None, limit=None, what=entry.path)


def _raw(tree: Tree, entry: Entry) -> Iterator[bytes]:
    with tree.open(entry).file as file:
        while piece := file.read(_PIECE):
            yield piece
