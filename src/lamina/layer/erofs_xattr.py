"""Extended attributes in an EROFS image: beside the inode, or shared by several.  Pure.

Format: Linux fs/erofs/erofs_fs.h, struct erofs_xattr_ibody_header and erofs_xattr_entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from struct import Struct

from lamina.layer.entry import Entry, Kind, os_path
from lamina.layer.errors import BadLayer

_HEADER = Struct("<4xB7x")
_ENTRY = Struct("<BBH")
_SPACES = {"user": 1, "trusted": 4, "security": 6}
_ACLS = {"system.posix_acl_access": 2, "system.posix_acl_default": 3}
_ACL_VERSION = b"\2\0\0\0"
_MAX_SHARED = 255
_MAX_NAME, _MAX_VALUE, _MAX_NAMES = 255, 65535, 65536
"""Of Linux, whatever the file system: bytes of a name, of a value, of all names of a file."""


class Attributes:
    """Extended attributes as EROFS has them; those of several inodes are stored once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        counts = Counter(chain.from_iterable(entry.xattrs for entry in entries))
        self._shared: dict[tuple[str, bytes], bytes] = {}
        """Attribute → its number: its position in the shared area, in words."""
        area = bytearray()
        for attribute in sorted(each for each, count in counts.items() if count > 1):
            self._shared[attribute] = (len(area) // 4).to_bytes(4, "little")
            area += _encode_attribute(*attribute)
        self.shared_area = bytes(area)
        """What is stored once: whole blocks of the image begin with it."""
        self._bodies: dict[tuple[tuple[str, bytes], ...], bytes] = {(): b""}

    def of(self, entry: Entry) -> bytes:
        """What comes between the entry's inode and its content."""
        body = self._bodies.get(entry.xattrs)
        if body is None:
            body = self._bodies[entry.xattrs] = self._body(entry)
        return body

    def _body(self, entry: Entry) -> bytes:
        shared = [each for each in entry.xattrs if each in self._shared][:_MAX_SHARED]
        own = [each for each in entry.xattrs if each not in set(shared)]
        body = _HEADER.pack(len(shared))
        body += b"".join(self._shared[each] for each in shared)
        body += b"".join(_encode_attribute(*each) for each in own)
        if count_words(body) > 0xFFFF:
            raise BadLayer(f"{entry.path!r} has {len(body)} bytes of extended attributes")
        return body


def count_words(body: bytes) -> int:
    """i_xattr_icount: words of 4 bytes, the whole header counted as one."""
    return (len(body) - _HEADER.size) // 4 + 1


def _encode_attribute(name: str, value: bytes) -> bytes:
    if name in _ACLS:
        index, suffix = _ACLS[name], b""
    else:
        space, _, rest = name.partition(".")
        index, suffix = _SPACES[space], os_path(rest)
    encoded = _ENTRY.pack(len(suffix), index, len(value)) + suffix + value
    return encoded + bytes(-len(encoded) % 4)


def check_attributes(entry: Entry) -> None:
    """Raise BadLayer for an attribute that Linux would not set on such a file."""
    names = 0
    for name, value in entry.xattrs:
        if problem := _attribute_problem(entry.kind, name, value):
            raise BadLayer(f"the attribute {name!r} of {entry.path!r} cannot be set: {problem}")
        names += len(os_path(name)) + 1
    if names > _MAX_NAMES:
        raise BadLayer(f"{entry.path!r} has {len(entry.xattrs)} extended attributes: too many")


def _attribute_problem(kind: Kind, name: str, value: bytes) -> str | None:
    """Why Linux would not set that attribute on a file of that kind; None if it would."""
    space, _, rest = name.partition(".")
    if name in _ACLS:
        if kind is Kind.SYMLINK or (
            name == "system.posix_acl_default" and kind is not Kind.DIRECTORY
        ):
            return f"not for a {kind.name.lower()}"
        if len(value) % 8 != 4 or not value.startswith(_ACL_VERSION):
            return "not an access control list"
    elif space not in _SPACES or not rest or "\0" in rest:
        return "not a name that Linux knows"
    elif space == "user" and kind is not Kind.FILE and kind is not Kind.DIRECTORY:
        return f"not for a {kind.name.lower()}"
    if len(os_path(name)) > _MAX_NAME:
        return f"its name is over {_MAX_NAME} bytes"
    if len(value) > _MAX_VALUE:
        return f"its value is over {_MAX_VALUE} bytes"
    return None
