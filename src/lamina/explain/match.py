"""The tests of `find`: names, types, sizes, permissions.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate

import msgspec

from lamina.errors import Invalid
from lamina.explain.view import Node
from lamina.layer.entry import Kind

_SIZE = re.compile(r"([+-]?)(\d+)(c|[kMGT]B?|)")
_UNITS = {"": 0, "c": 0, "k": 1, "M": 2, "G": 3, "T": 4}
_PERMISSIONS = re.compile(r"([-/]?)([0-7]{1,4})")
TYPES = {
    "f": {Kind.FILE, Kind.HARDLINK},
    "d": {Kind.DIRECTORY},
    "l": {Kind.SYMLINK},
    "c": {Kind.CHAR},
    "b": {Kind.BLOCK},
    "p": {Kind.FIFO},
}
"""find's letters, and w: a whiteout, which only a layer alone has."""
MARKER = "w"


class BadTest(Invalid):
    """A test that cannot be read."""


class Size(msgspec.Struct, frozen=True):
    """`+10M`, `-1kB`, `0`: more than, less than, exactly so many bytes."""

    sign: str
    bytes: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """`c` is bytes, as no unit is; `k`, `M`, `G` and `T` are powers of 1024, as in find;
        with a `B` they are those of 1000, as sizes are printed.  Raises BadTest."""
        match = _SIZE.fullmatch(text)
        if match is None:
            raise BadTest(f"not a size: {text!r}", hint="as in +10M, -4k, 120MB, 0")
        sign, number, unit = match.groups()
        base = 1000 if unit.endswith("B") else 1024
        return cls(sign, int(number) * base ** _UNITS[unit.removesuffix("B")])

    def holds(self, size: int) -> bool:
        """Whether a file of so many bytes passes."""
        if self.sign == "+":
            return size > self.bytes
        return size < self.bytes if self.sign == "-" else size == self.bytes


class Permissions(msgspec.Struct, frozen=True):
    """`644`, `-4000`, `/6000`: exactly these bits, all of them, any of them."""

    sign: str
    bits: int

    @classmethod
    def parse(cls, text: str) -> Permissions:
        """Octal, as find's `-perm`.  Raises BadTest."""
        match = _PERMISSIONS.fullmatch(text)
        if match is None:
            raise BadTest(
                f"not permissions: {text!r}", hint="octal, as in 644, -4000 (all), /6000 (any)"
            )
        return cls(match[1], int(match[2], 8))

    def holds(self, mode: int) -> bool:
        """Whether a file of this mode passes; no bits at all always do, as in find."""
        if self.sign == "-":
            return mode & self.bits == self.bits
        if self.sign == "/":
            return not self.bits or bool(mode & self.bits)
        return mode == self.bits


class Matcher:
    """All the tests that something must pass; of several names, paths or types one is enough."""

    def __init__(
        self,
        *,
        names: Sequence[str] = (),
        paths: Sequence[str] = (),
        types: Sequence[str] = (),
        size: Size | None = None,
        permissions: Permissions | None = None,
    ) -> None:
        """`names` are globs of the last component, `paths` of the whole absolute path, in both
        `*` takes slashes and leading dots too, as in find.  `types` are letters of `TYPES`, or
        MARKER; `size` is for files alone."""
        self._names = _pattern(names)
        self._paths = _pattern(paths)
        self._kinds = frozenset().union(*(TYPES.get(letter, set()) for letter in types))
        self._markers = MARKER in types
        self._typed = bool(types)
        self._size = size
        self._permissions = permissions

    def passes(self, node: Node) -> bool:
        """Whether `node` passes them all."""
        entry = node.entry
        if self._names is not None and not self._names.match(entry.name):
            return False
        if self._paths is not None and not self._paths.match(f"/{node.path}"):
            return False
        if self._typed and not self._is_of_type(node):
            return False
        if self._size is not None and not (
            node.inode.kind is Kind.FILE and self._size.holds(node.inode.size)
        ):
            return False
        return self._permissions is None or self._permissions.holds(node.inode.mode)

    def _is_of_type(self, node: Node) -> bool:
        if node.entry.is_marker:
            return self._markers
        return node.entry.kind in self._kinds


def select(nodes: Iterable[Node], matcher: Matcher, *, hidden: bool) -> Iterator[Node]:
    """The nodes that pass; with `hidden` only those that cannot be seen."""
    for node in nodes:
        if (node.hidden is not None or not hidden) and matcher.passes(node):
            yield node


def _pattern(globs: Sequence[str]) -> re.Pattern[str] | None:
    if not globs:
        return None
    return re.compile("|".join(translate(glob) for glob in globs))
