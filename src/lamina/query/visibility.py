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

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, repeat
from typing import NamedTuple

from lamina.explain.fate import CAUSES, MARKER, SHOWN, fates
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind, text_path
from lamina.layer.union import Cause, Union
from lamina.oci.digest import Digest
from lamina.query.layer_paths import LayerPaths

Hidden = dict[int, tuple[int, int]]
"""Of one layer, the places of entries that are hidden: → the layer that hides each, counted
from 0, and how, as a place in `CAUSES`."""

_CODES = {cause: code for code, cause in enumerate(CAUSES)}
_KINDS = {int(kind): kind for kind in Kind}


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
