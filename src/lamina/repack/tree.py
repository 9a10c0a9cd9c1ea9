"""A merged tree as one digest: two images show the same when theirs are equal.  Pure.

The digest is the sha256 of one line for each path, sorted by the bytes of the path, the root
first (its path is empty).  A line is these fields, joined by NUL and ended by a newline, with
every NUL, newline and backslash inside a field written `\\0`, `\\n`, `\\\\`:

    path  kind  mode  uid  gid  mtime  what  xattrs  same

* kind: tar's typeflag, `0` file, `2` symlink, `3` `4` devices, `5` directory, `6` pipe;
* mode: octal; nothing for a symlink, whose mode no system asks for;
* uid, gid, mtime: decimal; nanoseconds since the epoch;
* what: `sha256:<hex>` of a file's content, a symlink's target, `major,minor` of a device;
* xattrs: `name=<hex>` of each, sorted, joined by commas;
* same: of a file with several names, the first of them by its bytes; else nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from lamina.explain.inodes import Inodes
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.union import Union
from lamina.oci.digest import Digest


class Record(NamedTuple):
    """What is seen at one path: all that two trees must have alike."""

    kind: str
    mode: str
    uid: int
    gid: int
    mtime: int
    what: str
    xattrs: str
    same: str


FIELDS = {
    "kind": "type",
    "mode": "mode",
    "uid": "owner",
    "gid": "owner",
    "mtime": "mtime",
    "what": "content",
    "xattrs": "xattrs",
    "same": "hard links",
}
"""The fields of a record, and what people call them."""


def records(listings: Sequence[Listing], union: Union) -> dict[str, Record]:
    """What is seen at every path of the merged tree, in no order; `""` is the root.

    The sha256 of every file has to be known (`LayerStore.hashed`).
    """
    inodes = Inodes(listings)
    found: dict[str, Record] = {}
    names: dict[int, list[str]] = {}
    """By id() of what has several names: these, of all that has an entry that is a link."""
    linked = _linked(listings, inodes)
    for path, layer, entry in _seen(union):
        inode = inodes.of(layer, entry)
        if id(inode) in linked:
            names.setdefault(id(inode), []).append(path)
        found[path] = _record(inode)
    for several in names.values():
        if len(several) > 1:
            first = min(several, key=os_path)
            for path in several:
                found[path] = found[path]._replace(same=first)
    return found


def digest(tree: Mapping[str, Record]) -> Digest:
    """The digest of a tree (see above)."""
    lines = [
        "\0".join(map(_field, (path, *map(str, tree[path])))) for path in sorted(tree, key=os_path)
    ]
    return Digest.from_raw(sha256(os_path("\n".join([*lines, ""]))).digest())


def _seen(union: Union) -> Iterator[tuple[str, int, Entry]]:
    root = union.get("")
    if root is not None:
        yield "", *root
    for layer, entry in union.walk():
        yield entry.path, layer, entry


def _linked(listings: Sequence[Listing], inodes: Inodes) -> set[int]:
    """By id(), everything that some layer has a further name of."""
    return {
        id(inodes.of(layer, entry))
        for layer, listing in enumerate(listings)
        for entry in listing.entries
        if entry.kind is Kind.HARDLINK
    }


def _record(inode: Entry) -> Record:
    kind = inode.kind
    if kind is Kind.FILE:
        what = f"sha256:{inode.sha256.hex()}"
    elif kind is Kind.SYMLINK:
        what = inode.link
    elif kind in (Kind.CHAR, Kind.BLOCK):
        what = f"{inode.device[0]},{inode.device[1]}"
    else:
        what = ""
    mode = "" if kind is Kind.SYMLINK else f"{inode.mode:o}"
    xattrs = ",".join(f"{name}={value.hex()}" for name, value in inode.xattrs)
    return Record(chr(kind), mode, inode.uid, inode.gid, inode.mtime, what, xattrs, "")


def _field(text: str) -> str:
    if "\\" in text or "\0" in text or "\n" in text:
        return text.replace("\\", "\\\\").replace("\0", "\\0").replace("\n", "\\n")
    return text
