"""What the hard links of layers mean.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind


class Inodes:
    """What hard links mean: a name stands for what was at its target before it."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._listings = listings
        self._meant: dict[int, dict[int, Entry]] = {}

    def of(self, layer: int, entry: Entry) -> Entry:
        """What has the content, mode, owner and times of an entry of that layer; the entry
        itself, but for a hard link."""
        if entry.kind is not Kind.HARDLINK:
            return entry
        meant = self._meant.get(layer)
        if meant is None:
            meant = self._meant[layer] = _meanings(self._listings[layer].entries)
        return meant.get(id(entry), entry)


def _meanings(entries: Sequence[Entry]) -> dict[int, Entry]:
    """By id() of each HARDLINK entry, the entry that it is a further name of."""
    meant: dict[int, Entry] = {}
    latest: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind is Kind.HARDLINK:
            target = latest.get(entry.link)
            if target is not None:
                entry_meant = meant[id(entry)] = meant.get(id(target), target)
                latest[entry.path] = entry_meant
                continue
        latest[entry.path] = entry
    return meant
