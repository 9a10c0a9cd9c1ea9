"""The merged view of layers, as a tree to copy from and to lay files over."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lamina.build.tree import ROOT
from lamina.layer.entry import Entry, os_path
from lamina.layer.union import Union
from lamina.oci.digest import Digest
from lamina.store.contract import LayerStore

_KEPT = 3


class LayersTree:
    """Implements `Tree` on a chain of layers, the lowest first."""

    def __init__(self, layers: LayerStore, chain: Sequence[Digest]) -> None:
        self._layers = layers
        self._chain = chain
        self._union = Union.of([layers.hashed(each) for each in chain])
        self._lowers = [os.fsencode(layers.lower(each)) for each in chain]

    def lookup(self, path: str) -> Entry | None:
        found = self._union.get(path)
        if found is None:
            return ROOT if not path else None
        return found.entry

    def children(self, path: str) -> Sequence[Entry]:
        names = self._union.children(path)
        found = [self.lookup(f"{path}/{name}" if path else name) for name in names]
        return [entry for entry in found if entry is not None]

    def digest(self, entry: Entry) -> bytes:
        located = self._union.content(entry.path)
        return located.entry.sha256 if located else b""

    def open(self, entry: Entry) -> int:
        located = self._union.content(entry.path)
        if located is None:
            raise FileNotFoundError(f"no content for /{entry.path}")
        place = self._lowers[located.layer] + b"/" + os_path(located.entry.path)
        return os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


class Views:
    """The merged views of chains of layers; the last ones are kept, since steps ask again."""

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        self._kept: dict[tuple[Digest, ...], LayersTree] = {}

    def of(self, chain: Sequence[Digest]) -> LayersTree:
        """The view of a chain, the lowest layer first."""
        key = tuple(chain)
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = LayersTree(self._layers, key)
        return self._kept[key]
