"""The paths of one layer as sets, ready to be compared with those of others.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate

from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Kind
from lamina.layer.listing import UNKNOWN, Columns, numbers
from lamina.sha256 import sha256

_PREFIX, _OPAQUE = WHITEOUT_PREFIX.encode(), OPAQUE_NAME.encode()
_EMPTY = sha256(b"")
_DIRECTORY = bytes([Kind.DIRECTORY])


class LayerPaths:
    """The paths of one layer, ready to be compared with those of others.

    `hashed` gives its columns with every sha256; it is called when one is needed that
    `columns` lacks.  What it raises goes through.
    """

    def __init__(self, columns: Columns, hashed: Callable[[], Columns]) -> None:
        self.columns = columns
        self._hashed = hashed
        self.paths = columns.paths.split(b"\0") if columns.count else []
        self.kinds = columns.kinds
        self.markers: list[int] = []
        if _PREFIX in columns.paths:
            self.markers = [
                at
                for at, path in enumerate(self.paths)
                if _PREFIX in path and path.rpartition(b"/")[2].startswith(_PREFIX)
            ]
        self.at = dict(zip(self.paths, range(columns.count), strict=True))
        """Where each path stands, the last time that it is named; markers are not here."""
        for marker in self.markers:
            self.at.pop(self.paths[marker], None)

    @cached_property
    def directories(self) -> set[bytes]:
        """Every directory that the layer has something in, whether it has an entry or not."""
        found = {path.rpartition(b"/")[0] for path in self.paths} | {b""}
        for directory in list(found):
            above = directory.rpartition(b"/")[0]
            while above not in found:
                found.add(above)
                above = above.rpartition(b"/")[0]
        return found

    @cached_property
    def entered(self) -> set[bytes]:
        """The paths that are directories by an entry of their own."""
        found, at = set[bytes](), self.kinds.find(_DIRECTORY)
        while at >= 0:
            path = self.paths[at]
            if self.at.get(path) == at:
                found.add(path)
            at = self.kinds.find(_DIRECTORY, at + 1)
        return found

    @cached_property
    def deleted(self) -> set[bytes]:
        """The paths that the layer has a whiteout for."""
        return {gone for gone, is_opaque in self._marks if not is_opaque}

    @cached_property
    def opaque(self) -> set[bytes]:
        """The directories that it makes anew."""
        return {directory for directory, is_opaque in self._marks if is_opaque}

    @cached_property
    def _marks(self) -> list[tuple[bytes, bool]]:
        found = []
        for at in self.markers:
            parent, slash, name = self.paths[at].rpartition(b"/")
            is_opaque = name == _OPAQUE
            gone = parent if is_opaque else parent + slash + name[len(_PREFIX) :]
            # (.wh..wh.* else are AUFS' own records, and `.wh.` alone names nothing.)
            if is_opaque or not (name == _PREFIX or name.startswith(_PREFIX * 2)):
                found.append((gone, is_opaque))
        return found

    @cached_property
    def inside(self) -> dict[bytes, list[bytes]]:
        """The paths in each directory; markers are not here."""
        found: dict[bytes, list[bytes]] = {}
        for path in self.at:
            found.setdefault(path.rpartition(b"/")[0], []).append(path)
        return found

    @cached_property
    def repeated(self) -> dict[bytes, list[int]]:
        """Paths that are named several times, and where."""
        if len(self.at) + len(self.markers) == len(self.paths):
            return {}
        found: dict[bytes, list[int]] = {}
        for at, path in enumerate(self.paths):
            if path in self.at:
                found.setdefault(path, []).append(at)
        return {path: places for path, places in found.items() if len(places) > 1}

    @cached_property
    def links(self) -> dict[bytes, list[bytes]]:
        """Paths that a hard link joins, each with those it is joined with at first hand."""
        found: dict[bytes, list[bytes]] = {}
        if Kind.HARDLINK not in self.kinds:
            return found
        for path, kind, target in zip(
            self.paths, self.kinds, self.columns.links.split(b"\0"), strict=True
        ):
            if kind == Kind.HARDLINK:
                found.setdefault(path, []).append(target)
                found.setdefault(target, []).append(path)
        return found

    @cached_property
    def sizes(self) -> Sequence[int]:
        """Bytes of each entry's content."""
        return numbers("q", self.columns.sizes)

    @cached_property
    def _ordinals(self) -> list[int]:
        """How many entries up to each, itself included, have content."""
        return list(accumulate(map(bool, self.sizes)))

    def sha256(self, at: int) -> bytes:
        """Of the content of a FILE entry, 32 bytes."""
        if not self.sizes[at]:
            return _EMPTY
        place = 32 * (self._ordinals[at] - 1)
        found = self.columns.hashes[place : place + 32]
        if found == UNKNOWN:
            self.columns = self._hashed()
            found = self.columns.hashes[place : place + 32]
        return found

    def places(self, path: bytes) -> list[int]:
        """Everywhere that a path is named; it is named, and is no marker."""
        return self.repeated.get(path) or [self.at[path]]
