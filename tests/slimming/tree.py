"""Trees of files looked at without Lamina's own eyes: what the kernel shows, what archives say.

Two independent readings of an image.  `mounted` walks an overlay of its layers with lstat(2);
`archived` applies the layers of a `docker save` archive by the rules of the image
specification, with Python's tarfile.  `differences` compares any two.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_PREFIX = ".wh."
_OPAQUE = ".wh..wh..opq"
_KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.GNUTYPE_SPARSE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)


class Node(NamedTuple):
    """What is at a path."""

    mode: int
    """Type and permissions; those of a link are not looked at."""
    owner: tuple[int, int]
    mtime: int
    """Nanoseconds since the epoch; of an archive that has no fractions, whole seconds."""
    device: tuple[int, int]
    target: str
    """Of a symbolic link."""
    xattrs: tuple[tuple[str, bytes], ...]
    content: str
    """The sha256 of a file."""
    inode: object
    """The same for all names of one file."""


Tree = Mapping[str, Node]
"""By path, `/` for the root."""


def mounted(root: Path) -> Tree:
    """The tree under `root`, as the kernel shows it."""
    found = {"/": _looked_at(root)}
    for directory, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(directory) / name
            found[f"/{path.relative_to(root)}"] = _looked_at(path)
    return found


def _looked_at(path: Path) -> Node:
    seen = path.lstat()
    kind = stat.S_IFMT(seen.st_mode)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    content = ""
    if kind == stat.S_IFREG:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return Node(
        mode=kind if kind == stat.S_IFLNK else seen.st_mode,
        owner=(seen.st_uid, seen.st_gid),
        mtime=seen.st_mtime_ns,
        device=((os.major(seen.st_rdev), os.minor(seen.st_rdev)) if kind in _DEVICES else (0, 0)),
        target=str(path.readlink()) if kind == stat.S_IFLNK else "",
        xattrs=tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
        content=content,
        inode=(seen.st_dev, seen.st_ino),
    )


class Archive(NamedTuple):
    """An image in an archive."""

    tree: Tree
    config: Mapping[str, Any]
    diff_ids: tuple[str, ...]
    """As the bytes are, not as the configuration says."""
    bytes: int
    """Of the contents of all its layers."""


def archived(path: Path) -> Archive:
    """The one image of an archive of `docker save`.

    Raises ValueError for one whose layers cannot be applied: a hard link to nothing, two
    entries of one path in a layer, a configuration with other layers.
    """
    with tarfile.open(path) as archive:
        (manifest,) = json.load(_member(archive, "manifest.json"))
        config = json.load(_member(archive, manifest["Config"]))
        tree: dict[str, Node] = {}
        diff_ids, size = [], 0
        for name in manifest["Layers"]:
            diff_ids.append(
                f"sha256:{hashlib.file_digest(_member(archive, name), 'sha256').hexdigest()}"
            )
            with tarfile.open(fileobj=_member(archive, name)) as layer:
                size += _apply(tree, layer)
    if diff_ids != config["rootfs"]["diff_ids"]:
        raise ValueError("the configuration names other layers")
    return Archive(tree, config, tuple(diff_ids), size)


def _member(archive: tarfile.TarFile, name: str) -> Any:
    found = archive.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is no file")
    return found


def _apply(tree: dict[str, Node], layer: tarfile.TarFile) -> int:
    """Put a layer over `tree`; the bytes of content in it."""
    members = layer.getmembers()
    for member in members:  # markers are of what lies below, wherever they stand
        folder, _, name = f"/{member.name.strip('/')}".rpartition("/")
        if name == _OPAQUE:
            _remove(tree, folder or "/", itself=False)
        elif name.startswith(_PREFIX):
            _remove(tree, f"{folder}/{name.removeprefix(_PREFIX)}", itself=True)
    seen: set[str] = set()
    size = 0
    for member in members:
        clean = member.name.removeprefix("./").strip("/")
        path = "/" if clean in ("", ".") else f"/{clean}"
        if path.rpartition("/")[2].startswith(_PREFIX):
            continue
        if path in seen:
            raise ValueError(f"{path} is twice in a layer")
        seen.add(path)
        size += member.size if member.isreg() else 0
        old = tree.get(path)
        if not (member.isdir() and old is not None and stat.S_ISDIR(old.mode)):
            _remove(tree, path, itself=True)
        tree[path] = _applied(tree, layer, member, path)
    return size


def _remove(tree: dict[str, Node], path: str, *, itself: bool) -> None:
    old = tree.get(path)
    if old is not None and stat.S_ISDIR(old.mode):
        start = path.rstrip("/") + "/"
        for below in [each for each in tree if each.startswith(start) and each != path]:
            del tree[below]
    if itself:
        tree.pop(path, None)


def _applied(tree: Tree, layer: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Node:
    parent = path.rpartition("/")[0] or "/"
    if path != "/" and parent in tree and not stat.S_ISDIR(tree[parent].mode):
        raise ValueError(f"{path} is below what is no directory")
    if member.islnk():
        first = f"/{member.linkname.removeprefix('./').strip('/')}"
        if first not in tree:
            raise ValueError(f"{path} is a hard link to {first}, which is not there")
        return tree[first]
    kind = _KINDS[member.type]
    pax = member.pax_headers
    content = ""
    if kind == stat.S_IFREG:
        file = layer.extractfile(member)
        assert file is not None
        content = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    whole, _, fraction = pax.get("mtime", str(int(member.mtime))).partition(".")
    xattrs = sorted(
        (name.removeprefix("SCHILY.xattr."), value.encode("utf-8", "surrogateescape"))
        for name, value in pax.items()
        if name.startswith("SCHILY.xattr.")
    )
    return Node(
        mode=kind if kind == stat.S_IFLNK else kind | stat.S_IMODE(member.mode),
        owner=(member.uid, member.gid),
        mtime=int(whole) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0),
        device=(member.devmajor, member.devminor) if kind in _DEVICES else (0, 0),
        target=member.linkname if kind == stat.S_IFLNK else "",
        xattrs=tuple(xattrs),
        content=content,
        inode=object(),
    )


def differences(old: Tree, new: Tree, *, seconds: bool = False) -> list[str]:
    """Every way in which `new` is not `old`, a line each, by path.

    With `seconds`, times are compared to the second only.
    """
    found = [f"{path!r} is missing" for path in sorted(old.keys() - new.keys())]
    found += [f"{path!r} is there again" for path in sorted(new.keys() - old.keys())]
    both = sorted(old.keys() & new.keys())
    for path in both:
        before, after = old[path], new[path]
        if seconds:
            before = before._replace(mtime=before.mtime // 10**9)
            after = after._replace(mtime=after.mtime // 10**9)
        for field in Node._fields[:-1]:
            was, now = getattr(before, field), getattr(after, field)
            if was != now:
                found.append(f"{path!r}: {field} {_shown(was)} became {_shown(now)}")
    one, other = set(_groups(old, both)), set(_groups(new, both))
    found += [f"no longer one file: {' '.join(names)}" for names in sorted(one - other)]
    found += [f"one file now: {' '.join(names)}" for names in sorted(other - one)]
    return found


def _shown(value: object) -> str:
    return oct(value) if isinstance(value, int) and value < 1 << 20 else str(value)


def _groups(tree: Tree, paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Names of each file that has several."""
    by_inode: dict[object, list[str]] = {}
    for path in paths:
        if stat.S_ISREG(tree[path].mode):
            by_inode.setdefault(tree[path].inode, []).append(path)
    for names in by_inode.values():
        if len(names) > 1:
            yield tuple(names)
