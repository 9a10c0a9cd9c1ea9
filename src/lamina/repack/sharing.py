"""Layers with hidden bytes that an image shares with others, which need them as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lamina.errors import EngineError
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.union import Union
from lamina.oci.digest import Digest
from lamina.store.contract import Image, Store


class Sharer(msgspec.Struct, frozen=True):
    """An image that needs a layer as it is."""

    name: str
    shown: int
    """Bytes that can be seen there, and not here; 0 of a base that hides them itself."""


def sharers(store: Store, image: Image, stack: Stack) -> Mapping[int, Sharer]:
    """For each layer with hidden bytes that is the base's, or that a named image of the store
    shows some of: that image.  Two copies of what both have would be stored and sent were the
    layer made anew.

    Another image that hides the same bytes is none: slimmed, it has the same new layer.
    """
    account, base = stack.account, stack.base
    hidden: dict[int, dict[int, int]] = {}
    for each in account.hidden:
        if each.size:
            hidden.setdefault(each.layer, {})[id(each.entry)] = each.size
    listings = {listing.diff_id: listing for listing in account.listings}
    found: dict[int, Sharer] = {}
    for name, layers in _others(store, image):
        wanted = {
            layers.index(listings_of.diff_id): layer
            for layer, listings_of in enumerate(account.listings)
            if layer in hidden and layer not in found and listings_of.diff_id in layers
        }
        if not wanted:
            continue
        theirs = _hidden_there(store, layers, listings)
        for place, layer in wanted.items():
            shown = sum(
                size for entry, size in hidden[layer].items() if (place, entry) not in theirs
            )
            if shown:
                found[layer] = Sharer(name, shown)
    if base is not None:
        ours = {layer: Sharer(base.name, 0) for layer in hidden if layer < base.layers}
        found = ours | found
    return found


def _hidden_there(
    store: Store, layers: Sequence[Digest], listings: dict[Digest, Listing]
) -> set[tuple[int, int]]:
    """What another image hides: place of the layer, and id() of the entry."""
    for layer in layers:
        if layer not in listings:
            listings[layer] = store.layers.listing(layer)
    union = Union.of([listings[layer] for layer in layers])
    return {(each.layer, id(each.entry)) for each in union.hidden}


def _others(store: Store, image: Image) -> Iterator[tuple[str, tuple[Digest, ...]]]:
    """Names and layers of the other images, those with the fewest layers first; damaged ones
    are left out."""
    found: dict[tuple[Digest, ...], str] = {}
    for row in store.refs.rows():
        if row.reference is None or row.image_id == image.config.digest:
            continue
        try:
            layers = store.images.open(row).layers
        except EngineError:
            continue
        if layers != image.layers:
            found.setdefault(layers, row.reference.familiar)
    for layers in sorted(found, key=len):
        yield found[layers], layers
