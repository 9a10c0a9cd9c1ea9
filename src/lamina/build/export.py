"""The file system of an image by itself: as a tar, or as files in a directory."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from lamina.build.build import Product, Variant
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.union import Union
from lamina.store.contract import LayerStore, Store
from lamina.store.errors import writing

_PIECE = 1 << 20
_NO_ATTRIBUTES = frozenset({errno.EPERM, errno.ENOTSUP})


class Member(msgspec.Struct, frozen=True):
    """A file, directory or link of the merged tree; `layer` has its content."""

    entry: Entry
    layer: int = 0
    content: Entry | None = None


def members(listings: list[Listing]) -> Iterator[Member]:
    """What is visible in layers, parents before children, siblings by name.

    Of the names of one content the first is a FILE, the others are hard links to it.
    """
    union = Union.of(listings)
    first: dict[tuple[int, str, int], str] = {}
    for located in union.walk():
        entry = located.entry
        content = union.content(entry.path)
        if content is None:
            yield Member(entry, located.layer)
            continue
        key = (content.layer, content.entry.path, content.entry.offset)
        name = first.setdefault(key, entry.path)
        # A name has the attributes of the file that it is a link to.
        shown = msgspec.structs.replace(content.entry, path=entry.path)
        if name == entry.path:
            yield Member(shown, content.layer, content.entry)
        else:
            yield Member(msgspec.structs.replace(shown, kind=Kind.HARDLINK, size=0, link=name))


def export_tar(
    product: Product, store: Store, stream: BinaryIO, advance: Callable[[int], None]
) -> None:
    """Write the files as one tar; of several platforms each in a directory of its own.

    `advance` is told of bytes of content.  The same image gives the same bytes.
    """
    from lamina.layer.tarwriter import write_tar

    opened: dict[str, tuple[Variant, Member]] = {}

    def entries() -> Iterator[Entry]:
        for variant, prefix in _prefixed(product):
            if prefix:
                yield Entry(prefix, Kind.DIRECTORY, 0o755, 0, 0, 0, 0)
            for member in _members(variant, store):
                entry = member.entry
                path = f"{prefix}/{entry.path}" if prefix else entry.path
                link = entry.link
                if prefix and entry.kind is Kind.HARDLINK:
                    link = f"{prefix}/{link}"
                opened.clear()
                opened[path] = (variant, member)
                yield msgspec.structs.replace(entry, path=path, link=link)

    def content(entry: Entry) -> Iterator[bytes]:
        return _content(store.layers, *opened[entry.path], advance)

    with writing("the tar"):
        stream.writelines(write_tar(entries(), content))
        stream.flush()


def export_files(
    product: Product, store: Store, directory: Path, advance: Callable[[int], None]
) -> None:
    """Lay the files into `directory`, over what is there; of several platforms each in a
    directory of its own.

    They belong to whoever calls, as BuildKit has it.  A file is there whole or not at all,
    and a directory that was not there before appears with everything in it.
    """
    with writing(directory):
        if directory.exists():
            _lay(product, store, directory, advance)
            return
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = directory.with_name(f".{directory.name}-{os.urandom(4).hex()}")
        temporary.mkdir()
        try:
            _lay(product, store, temporary, advance)
            temporary.rename(directory)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def content_size(product: Product) -> int:
    """Bytes of visible files, for whoever shows how far an export is."""
    return sum(each.size - each.hidden for each in product.variants)


def _prefixed(product: Product) -> list[tuple[Variant, str]]:
    several = len(product.variants) > 1
    return [
        (each, str(each.platform).replace("/", "_") if several else "") for each in product.variants
    ]


def _members(variant: Variant, store: Store) -> Iterator[Member]:
    return members([store.layers.listing(each) for each in variant.config.diff_ids])


def _content(
    layers: LayerStore, variant: Variant, member: Member, advance: Callable[[int], None]
) -> Iterator[bytes]:
    assert member.content is not None
    with layers.open_file(variant.config.diff_ids[member.layer], member.content) as file:
        while piece := file.read(_PIECE):
            advance(len(piece))
            yield piece


def _lay(product: Product, store: Store, directory: Path, advance: Callable[[int], None]) -> None:
    for variant, prefix in _prefixed(product):
        root = directory / prefix
        root.mkdir(exist_ok=True)
        directories: list[Entry] = []
        for member in _members(variant, store):
            if member.entry.kind is Kind.DIRECTORY:
                directories.append(member.entry)
            _lay_one(root, member, partial(_content, store.layers, variant, member, advance))
        # Last, and the deepest first: what is laid into a directory changes its time.
        for entry in reversed(directories):
            _finish(os.fsencode(root) + b"/" + os_path(entry.path), entry)


def _lay_one(root: Path, member: Member, pieces: Callable[[], Iterator[bytes]]) -> None:
    entry = member.entry
    place = os.fsencode(root) + b"/" + os_path(entry.path)
    if entry.kind is Kind.DIRECTORY:
        _make_directory(place)
        return
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(place)
    temporary = os.path.join(os.path.dirname(place), b".lamina-" + os.urandom(4).hex().encode())
    try:
        _make(temporary, os.fsencode(root), entry, pieces)
        os.rename(temporary, place)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def _make_directory(place: bytes) -> None:
    if os.path.islink(place) or (os.path.lexists(place) and not os.path.isdir(place)):
        os.unlink(place)
    if not os.path.isdir(place):
        os.mkdir(place, 0o755)


def _make(
    temporary: bytes, root: bytes, entry: Entry, pieces: Callable[[], Iterator[bytes]]
) -> None:
    if entry.kind is Kind.HARDLINK:
        os.link(root + b"/" + os_path(entry.link), temporary, follow_symlinks=False)
        return
    if entry.kind is Kind.SYMLINK:
        os.symlink(os_path(entry.link), temporary)
    elif entry.kind is Kind.FILE:
        with open(temporary, "xb") as file:
            file.writelines(pieces())
    else:
        kinds = {Kind.FIFO: 0o010000, Kind.CHAR: 0o020000, Kind.BLOCK: 0o060000}
        os.mknod(temporary, kinds[entry.kind] | entry.mode, os.makedev(*entry.device))
    _finish(temporary, entry)


def _finish(place: bytes, entry: Entry) -> None:
    """Attributes and times; attributes that this user or file system cannot have are left out."""
    for name, value in entry.xattrs:
        try:
            os.setxattr(place, os_path(name), value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                raise
    if entry.kind is not Kind.SYMLINK:
        os.chmod(place, entry.mode)
    os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
