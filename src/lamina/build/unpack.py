"""ADD of an archive: a tar, plain or compressed, unpacked over the merged view."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.build.upper import Upper
from lamina.context.tree import Tree
from lamina.errors import EngineError
from lamina.layer.compression import decompress
from lamina.layer.entry import Entry, Kind
from lamina.layer.layer_tree import check_entry
from lamina.layer.tar import TarReader

_PIECE = 1 << 20


def is_archive(tree: Tree, entry: Entry) -> bool:
    """Whether the file's content, decompressed, begins as a tar does; its name says nothing."""
    if entry.kind is not Kind.FILE or not entry.size:
        return False
    try:
        return next(iter(TarReader(_pieces(tree, entry))), None) is not None
    except EngineError:
        return False


def unpack(tree: Tree, archive: Entry, upper: Upper, dest: str) -> None:
    """Unpack into the directory `dest`: links in parents are followed inside the root.

    A directory that is there stays where it is; owners and modes are the archive's.
    Raises BadLayer, BadCompression, InTheWay.
    """
    reader = TarReader(_pieces(tree, archive))
    for entry in reader:
        if not entry.path:
            continue
        check_entry(entry)
        parent = upper.resolve(f"{dest}/{entry.parent}")
        upper.make_directories(parent)
        path = f"{parent}/{entry.name}" if parent else entry.name
        if entry.kind is Kind.DIRECTORY:
            upper.put_directory(path, entry, overwrite=True)
        elif entry.kind is Kind.FILE:
            upper.write_file(path, entry, reader.content())
        elif entry.kind is Kind.HARDLINK:
            upper.put_link(path, upper.resolve(f"{dest}/{entry.link}"))
        else:
            upper.put_special(path, entry)


def _pieces(tree: Tree, entry: Entry) -> Iterator[bytes]:
    return decompress(_raw(tree, entry), None, limit=None, what=entry.path)


def _raw(tree: Tree, entry: Entry) -> Iterator[bytes]:
    with tree.open(entry).file as file:
        while piece := file.read(_PIECE):
            yield piece
