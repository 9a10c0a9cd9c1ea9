"""What became of every entry of an image, told from columns: `explain.fate` for millions.  Pure.

The union lays entry over entry, which takes microseconds each.  But most entries of an
image meet no other: no layer names their path again, none has a marker for it or above it,
and nothing stands where it needs a directory.  Whole sets of paths are compared to find
the others.  Of these, what merely lies upon another at the same path, or is deleted alone,
is told path by path; the rest (what is below a marker or a change of type, paths that one
layer names twice, hard links that any of this happens to) is given to the union itself,
and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from lamina.explain.fate import CAUSES, MARKER, SHOWN, fates
from lamina.layer.contract import Listing
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind, text_path
from lamina.layer.listing import UNKNOWN, Columns, numbers
from lamina.layer.union import Cause, Union
from lamina.oci.digest import Digest
from lamina.sha256 import sha256

Hidden = dict[int, tuple[int, int]]
"""Of one layer, the places of entries that are hidden: → the layer that hides each, counted
from 0, and how, as a place in `CAUSES`."""

_CODES = {cause: code for code, cause in enumerate(CAUSES)}
_KINDS = {int(kind): kind for kind in Kind}
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


def visibility(layers: Sequence[LayerPaths], *, contents: bool) -> list[Hidden]:
    """What is hidden in each layer of an image, the lowest layer given first.

    Entries that are not in the answer can be seen, or are markers without content.  Just
    what `explain.fate.fates` says, but that without `contents` no sha256 is looked at, and
    DUPLICATED is told as OVERWRITTEN.
    """
    found: list[Hidden] = [{} for _ in layers]
    for number, layer in enumerate(layers):
        for at in layer.markers:
            if layer.sizes[at] and layer.kinds[at] == Kind.FILE:
                found[number][at] = number, _CODES[Cause.SUPERSEDED]
    pairs = _pairs(layers)
    involved = _involved(layers, pairs)
    for pair in pairs:
        _tell(layers, pair, involved, found, contents=contents)
    if involved:
        named = {path for pair in pairs for path in pair.paths} if contents else set()
        _unite(layers, involved, found, compared=named)
    return found


class _Pair(NamedTuple):
    """Two layers, and paths that the upper one names or deletes and that no layer between
    them does."""

    lower: int
    upper: int
    paths: set[bytes]


def _pairs(layers: Sequence[LayerPaths]) -> list[_Pair]:
    """All that is named again or deleted, by who had it and who does that."""
    pairs: list[_Pair] = []
    between: dict[bytes, int] = {}  # what the layers but the first name
    for number, layer in list(enumerate(layers))[1:]:
        named = layer.at.keys() | layer.deleted if layer.deleted else layer.at.keys()
        met = (between.keys() & named) | (layers[0].at.keys() & named)
        for below in range(number - 1, -1, -1):
            if not met:
                break
            lower = layers[below]
            common = met & lower.at.keys()
            if common:
                pairs.append(_Pair(below, number, common))
                met -= common
            met -= lower.deleted
        if number + 1 < len(layers):
            between.update(layer.at)
    return pairs


def _involved(layers: Sequence[LayerPaths], pairs: Sequence[_Pair]) -> set[bytes]:
    """The paths whose fate takes the union to tell."""
    involved: set[bytes] = set()
    points = _points(layers)
    for layer in layers:
        involved |= layer.repeated.keys()
        involved |= points & layer.at.keys()
        roots = points & layer.directories
        if roots:
            involved.update(chain.from_iterable(_below(layer, roots)))
    linked = [layer for layer in layers if layer.links]
    if linked:
        _join(linked, involved, {path for pair in pairs for path in pair.paths})
    return involved


def _points(layers: Sequence[LayerPaths]) -> set[bytes]:
    """The paths at which something happens to all that is below: directories that are deleted
    or made anew, and what is no directory at a place where some layer has one."""
    points: set[bytes] = set()
    directories: set[bytes] = set()
    for layer in layers:
        points |= (layer.deleted | layer.opaque) & directories
        directories |= layer.directories
    for layer in layers:
        points |= (directories - layer.entered) & layer.at.keys()
        points |= layer.repeated.keys() & directories
    return points


def _below(layer: LayerPaths, roots: set[bytes]) -> Iterable[list[bytes]]:
    """The paths of a layer that lie in or below some directories, by directory."""
    inside: set[bytes] = set()
    for directory in sorted(layer.directories):  # each after the one it is in
        above = directory.rpartition(b"/")[0]
        if directory in roots or (above in inside and directory):
            inside.add(directory)
            yield layer.inside.get(directory, [])


def _join(layers: Sequence[LayerPaths], involved: set[bytes], named: set[bytes]) -> None:
    """Add all names of each content that one name of is involved or lies upon another."""
    waiting: list[bytes] = []
    for layer in layers:
        # A name that is a marker, or not there at all, is left to the union as well.
        odd = layer.links.keys() - layer.at.keys()
        waiting += (layer.links.keys() & (involved | named)) | odd
    while waiting:
        path = waiting.pop()
        involved.add(path)
        for layer in layers:
            waiting += (other for other in layer.links.get(path, ()) if other not in involved)


def _tell(
    layers: Sequence[LayerPaths],
    pair: _Pair,
    involved: set[bytes],
    found: list[Hidden],
    *,
    contents: bool,
) -> None:
    """Say what the upper layer of a pair hides of the lower one, where nothing else is touched."""
    lower, upper, hidden = layers[pair.lower], layers[pair.upper], found[pair.lower]
    paths = pair.paths - involved if involved else pair.paths
    deleted = paths & upper.deleted
    merged = (paths & lower.entered & upper.entered) - deleted
    for some, cause in ((deleted, Cause.DELETED), (merged, Cause.MERGED)):
        fate = pair.upper, _CODES[cause]
        hidden.update(zip(map(lower.at.__getitem__, some), repeat(fate)))
    fates_ = {cause: (pair.upper, _CODES[cause]) for cause in Cause}
    for path in paths - deleted - merged:
        at, above = lower.at[path], upper.at[path]
        if not lower.kinds[at] == upper.kinds[above] == Kind.FILE:
            cause = Cause.REPLACED
        elif (
            contents
            and lower.sizes[at] == upper.sizes[above]
            and lower.sha256(at) == upper.sha256(above)
        ):
            cause = Cause.DUPLICATED
        else:
            cause = Cause.OVERWRITTEN
        hidden[at] = fates_[cause]


def _unite(
    layers: Sequence[LayerPaths],
    involved: set[bytes],
    found: list[Hidden],
    *,
    compared: Collection[bytes],
) -> None:
    """Let the union say what becomes of the involved paths.

    Of those in `compared`, and of what has several names, it is given the sha256.
    """
    places: list[list[int]] = []
    for layer in layers:
        here = set(layer.markers)
        for path in involved & layer.at.keys():
            here.update(layer.places(path))
        places.append(sorted(here))
    listings = [
        Listing(
            Digest.from_raw(layer.columns.diff_id),
            tuple(_entries(layer, here, compared)),
            0,
        )
        for layer, here in zip(layers, places, strict=True)
    ]
    told = fates(listings, Union.of(listings))
    for number, fate in enumerate(told):
        hidden = found[number]
        for at, by, code in zip(places[number], fate.hidden_by, fate.causes, strict=True):
            if code in (SHOWN, MARKER):
                hidden.pop(at, None)
            else:
                hidden[at] = by, code


def _entries(
    layer: LayerPaths, places: Sequence[int], compared: Collection[bytes]
) -> Iterable[Entry]:
    """Entries that say as much as the union asks for."""
    links = layer.columns.links.split(b"\0") if places else []
    for at in places:
        path, kind = layer.paths[at], _KINDS[layer.kinds[at]]
        # Of a content with several names, any may be the one that is compared.
        known = kind is Kind.FILE and bool(compared) and (path in compared or path in layer.links)
        yield Entry(
            text_path(path),
            kind,
            0,
            0,
            0,
            layer.sizes[at],
            0,
            text_path(links[at]),
            sha256=layer.sha256(at) if known else b"",
        )
