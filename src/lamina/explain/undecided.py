"""Which contents must be compared before an image can be explained.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.explain.advice import SMALLEST_DUPLICATE
from lamina.layer.contract import Listing
from lamina.layer.entry import Kind


def undecided(listings: Sequence[Listing]) -> list[set[int]]:
    """Layer by layer, the places of the files whose sha256 decides something.

    Two contents are told apart by their sizes.  Equal sizes leave open whether a file was
    overwritten or duplicated, where they are in two layers, and whether one is a copy of the
    other, where copies of that size are told at all (explain/advice.py).
    """
    found: list[set[int]] = [set() for _ in listings]
    sizes: dict[int, list[tuple[int, int]]] = {}
    for layer, listing in enumerate(listings):
        for at, entry in enumerate(listing.entries):
            if entry.kind is Kind.FILE and entry.size and not entry.sha256:
                sizes.setdefault(entry.size, []).append((layer, at))
    for size, places in sizes.items():
        in_layers = {layer for layer, _ in places}
        if len(in_layers) > 1 or (len(places) > 1 and size >= SMALLEST_DUPLICATE):
            for layer, at in places:
                found[layer].add(at)
    return found
