"""What became of every entry of every layer: shown, or hidden by whom and how.  Pure."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.entry import Kind
from lamina.layer.union import Cause, Union

CAUSES = tuple(Cause)
SHOWN = 0xFF
"""Of an entry that can be seen, in `Fates.causes`."""
MARKER = 0xFE
"""Of a whiteout or opaque marker: it stands for an absence, and is never seen itself."""
NOBODY = -1
"""In `Fates.hidden_by`: nobody hides it."""


class Fates(msgspec.Struct, frozen=True):
    """The fates of one layer's entries, each at the place that its entry has in the listing.

    A FILE entry shares the fate of its content, which may have other names; every other
    entry has that of its own path.
    """

    hidden_by: array[int]
    """Layers (16 bits each), or NOBODY."""
    causes: bytearray
    """Places in CAUSES, or SHOWN, or MARKER."""

    def cause(self, at: int) -> Cause | None:
        """How the entry came to be hidden; None when it is shown or a marker."""
        code = self.causes[at]
        return CAUSES[code] if code < MARKER else None

    def shown(self, at: int) -> bool:
        """Whether the entry can be seen."""
        return self.causes[at] == SHOWN


def fates(listings: Sequence[Listing], union: Union) -> list[Fates]:
    """The fates of all entries of the layers that `union` was made of, the lowest first."""
    found = [
        Fates(array("h", [NOBODY]) * len(each.entries), bytearray([SHOWN]) * len(each.entries))
        for each in listings
    ]
    codes = {cause: code for code, cause in enumerate(CAUSES)}
    places = [{id(entry): at for at, entry in enumerate(listing.entries)} for listing in listings]
    for layer, listing in enumerate(listings):
        _superseded(layer, listing, union, found[layer], codes[Cause.SUPERSEDED])
    for hidden in (union.covered, union.hidden):
        for entry, layer, by, cause, _ in hidden:
            at = places[layer].get(id(entry))
            if at is not None:  # a directory that no entry makes has none
                found[layer].hidden_by[at] = by
                found[layer].causes[at] = codes[cause]
    return found


def _superseded(layer: int, listing: Listing, union: Union, found: Fates, code: int) -> None:
    """Mark what is not in the merged view by its own name.  What another layer hides is marked
    again by who calls this; the rest gave way to a later entry of its own layer."""
    for at, entry in enumerate(listing.entries):
        if entry.is_marker:
            found.causes[at] = MARKER
        elif entry.kind is not Kind.FILE:
            seen = union.get(entry.path)
            if seen is None or seen.entry is not entry:
                found.hidden_by[at] = layer
                found.causes[at] = code
