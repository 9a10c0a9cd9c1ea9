"""The merged view of layers, as a tree to copy from and to lay files over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import RLock

from lamina.context.tree import ROOT, Content
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union
from lamina.oci.digest import Digest
from lamina.store.contract import LayerStore

_KEPT = 4


class LayersTree:
    """Implements `Tree` on a chain of layers, the lowest first."""

    def __init__(self, union: Union, layers: LayerStore, chain: Sequence[Digest]) -> None:
        self.union = union
        self._layers = layers
        self._chain = chain
        self._hashes: dict[int, dict[int, bytes]] = {}

    def lookup(self, path: str) -> Entry | None:
        found = self.union.get(path)
        if found is None:
            return ROOT if not path else None
        return found.entry

    def children(self, path: str) -> Sequence[Entry]:
        names = self.union.children(path)
        found = [self.lookup(f"{path}/{name}" if path else name) for name in names]
        return [entry for entry in found if entry is not None]

    def digest(self, entry: Entry) -> bytes:
        located = self.union.content(entry.path)
        if located is None or located.entry.sha256:
            return located.entry.sha256 if located else b""
        return self._hashed(located.layer)[located.entry.offset]

    def identity(self, entry: Entry) -> object | None:
        """What the names of one file have in common; None for what has no content."""
        located = self.union.content(entry.path)
        return None if located is None else (located.layer, located.entry.path)

    def _hashed(self, layer: int) -> dict[int, bytes]:
        """The digests of a layer's files by where they lie; asked for only when one is needed,
        for it may take reading all of them."""
        if layer not in self._hashes:
            entries = self._layers.hashed(self._chain[layer]).entries
            self._hashes[layer] = {each.offset: each.sha256 for each in entries if each.size}
        return self._hashes[layer]

    def open(self, entry: Entry) -> Content:
        located = self.union.content(entry.path)
        if located is None:
            raise FileNotFoundError(f"no content for /{entry.path}")
        file = self._layers.open_file(self._chain[located.layer], located.entry)
        return Content(file, located.entry.size)


class Views:
    """The merged views of chains of layers.

    The last ones are kept: a step looks at what the one before it made.  Safe to use
    from several threads.
    """

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        self._kept: dict[tuple[Digest, ...], LayersTree] = {}
        self._listings: dict[Digest, Listing] = {}
        self._lock = RLock()

    def of(self, chain: Sequence[Digest]) -> LayersTree:
        """The view of a chain, the lowest layer first."""
        key = tuple(chain)
        with self._lock:
            if key not in self._kept:
                if len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                union = Union.of([self.listing(each) for each in key])
                self._kept[key] = LayersTree(union, self._layers, key)
            return self._kept[key]

    def listing(self, diff_id: Digest) -> Listing:
        """A layer's entries; read once."""
        with self._lock:
            if diff_id not in self._listings:
                self._listings[diff_id] = self._layers.listing(diff_id)
            return self._listings[diff_id]

    def hidden_by_top(self, chain: Sequence[Digest]) -> tuple[tuple[int, int], ...]:
        """(place in `chain`, bytes of file content) that the last layer of `chain` hides."""
        entries = self.listing(chain[-1]).entries
        if all(entry.kind is Kind.DIRECTORY for entry in entries):
            return ()
        found: Counter[int] = Counter()
        for each in self.of(chain).union.hidden:
            if each.hidden_by == len(chain) - 1:
                found[each.layer] += each.size
        return tuple(sorted((place, size) for place, size in found.items() if size))

    def total_hidden(self, chain: Sequence[Digest]) -> int:
        """Bytes of file content in the layers of `chain` that nobody can see."""
        return sum(each.size for each in self.of(chain).union.hidden)
