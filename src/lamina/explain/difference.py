"""In what two files, directories, links or devices differ.  Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from lamina.explain.content import content_sha256
from lamina.explain.stack import Stack
from lamina.layer.entry import Entry, Kind


class Aspect(Enum):
    """What may differ at a path."""

    TYPE = "type"
    """A directory became a file, a link a device: nothing else is compared then."""
    CONTENT = "content"
    LINK = "link"
    """Where a symbolic link leads."""
    DEVICE = "device"
    MODE = "mode"
    OWNER = "owner"
    XATTRS = "xattrs"
    MTIME = "mtime"


class Copy(NamedTuple):
    """Something as one layer has it; a hard link is what it is a further name of."""

    stack: Stack
    layer: int
    inode: Entry


def differences(old: Copy, new: Copy, *, mtime: bool = False) -> tuple[Aspect, ...]:
    """In what two things differ; the time of their last change counts only with `mtime`.

    Files of a container's own layer are read where their size does not tell.
    """
    before, after = old.inode, new.inode
    if before.kind is not after.kind:
        return (Aspect.TYPE,)
    what = () if same_content(old, new) else (_WHAT.get(before.kind, Aspect.CONTENT),)
    when = (Aspect.MTIME,) if mtime and before.mtime != after.mtime else ()
    return (*what, *metadata_differences(before, after), *when)


def metadata_differences(before: Entry, after: Entry) -> tuple[Aspect, ...]:
    """In what two things of one type differ beside what they hold and when it changed."""
    found = []
    # A link's mode is never asked for, and tools write down what they like.
    if before.mode != after.mode and before.kind is not Kind.SYMLINK:
        found.append(Aspect.MODE)
    if (before.uid, before.gid) != (after.uid, after.gid):
        found.append(Aspect.OWNER)
    if before.xattrs != after.xattrs:
        found.append(Aspect.XATTRS)
    return tuple(found)


_WHAT = {Kind.SYMLINK: Aspect.LINK, Kind.CHAR: Aspect.DEVICE, Kind.BLOCK: Aspect.DEVICE}


def same_content(old: Copy, new: Copy) -> bool:
    """Whether both are of one type and hold the same: bytes, a link's target, a device."""
    before, after = old.inode, new.inode
    if before is after:
        return True
    if before.kind is not after.kind:
        return False
    if before.kind is Kind.FILE:
        if before.size != after.size or not before.size:
            return before.size == after.size
        return content_sha256(*old) == content_sha256(*new)
    return before.link == after.link and before.device == after.device
