"""Every byte of every layer is visible or hidden; this adds them up.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.union import Hidden, Union
from lamina.oci.digest import Digest


class LayerAccount(msgspec.Struct, frozen=True):
    """The bytes of file content that one layer ships."""

    diff_id: Digest
    bytes: int
    hidden_by: Mapping[int, int]
    """Layer → bytes of this one that it hides; its own number for what it superseded itself."""
    hides: Mapping[int, int]
    """Layer → bytes of it that this one hides: `hidden_by` seen from above."""

    @property
    def hidden_bytes(self) -> int:
        """Bytes that ship and cannot be seen."""
        return sum(self.hidden_by.values())

    @property
    def visible_bytes(self) -> int:
        """Bytes that somebody can read."""
        return self.bytes - self.hidden_bytes


class Account(msgspec.Struct, frozen=True):
    """The bytes of an image: those of all layers = visible + hidden, to the byte.

    A file with several names in its layer counts once, and is visible while
    any of them is.
    """

    listings: Sequence[Listing]
    layers: Sequence[LayerAccount]
    hidden: Sequence[Hidden]
    """In the order of hiding; see `largest_first`."""
    union: Union

    @property
    def bytes(self) -> int:
        """Bytes of file content in all layers."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def hidden_bytes(self) -> int:
        """Bytes that ship and cannot be seen."""
        return sum(layer.hidden_bytes for layer in self.layers)

    @property
    def visible_bytes(self) -> int:
        """Bytes of the merged tree, each content once."""
        return self.bytes - self.hidden_bytes


def account(listings: Sequence[Listing]) -> Account:
    """Account for every byte of the layers, the lowest first."""
    union = Union.of(listings)
    hidden_by: list[dict[int, int]] = [{} for _ in listings]
    hides: list[dict[int, int]] = [{} for _ in listings]
    for entry, layer, by, *_ in union.hidden:
        if entry.size:
            hidden_by[layer][by] = hidden_by[layer].get(by, 0) + entry.size
            hides[by][layer] = hides[by].get(layer, 0) + entry.size
    layers = [
        LayerAccount(listing.diff_id, listing.content_size, hidden_by[place], hides[place])
        for place, listing in enumerate(listings)
    ]
    return Account(listings, layers, union.hidden, union)


def largest_first(hidden: Hidden) -> tuple[int, int, str]:
    """A key to sort by: the most bytes first, then by layer and path."""
    return -hidden.entry.size, hidden.layer, hidden.entry.path
