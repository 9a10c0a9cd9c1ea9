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
    first: dict[int, tuple[int, int]] = {}
    for layer, listing in enumerate(listings):
        for at, entry in enumerate(listing.entries):
            if entry.kind is not Kind.FILE or not entry.size or entry.sha256:
                continue
            other, place = first.setdefault(entry.size, (layer, at))
            if (other, place) != (layer, at) and (
                other != layer or entry.size >= SMALLEST_DUPLICATE
            ):
                found[other].add(place)
                found[layer].add(at)
    return found
