"""What a query reads of a store, each thing once, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import TypeVar

import msgspec

from lamina.errors import EngineError
from lamina.explain.stack import Stack, image_stack
from lamina.layer.listing import Columns
from lamina.oci.digest import Digest
from lamina.query.layer_paths import LayerPaths
from lamina.query.visibility import Hidden, visibility
from lamina.store.contract import Image, NamedImage, Store

T = TypeVar("T")


class Known(msgspec.Struct, frozen=True):
    """An image, with all its names."""

    name: str
    """What the tables call it: its first name, or its short id."""
    image: Image
    rows: tuple[NamedImage, ...]


class Source:
    """The images of a store for the length of a query."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._left_out: dict[str, str] = {}
        self._columns: dict[Digest, Columns] = {}
        self._paths: dict[Digest, LayerPaths] = {}
        self._hidden: dict[tuple[str, bool], Sequence[Hidden]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each image that something of is missing from the answer."""
        return tuple(f"{name} is left out: {why}" for name, why in self._left_out.items())

    @cached_property
    def images(self) -> Sequence[Known]:
        """Every image that can be opened, in the order of their first names."""
        by_id: dict[Digest, list[NamedImage]] = {}
        for row in self.store.refs.rows():
            by_id.setdefault(row.image_id, []).append(row)
        found = []
        for rows in by_id.values():
            name = next(filter(None, map(name_of, rows)), rows[0].image_id.short)
            image = self.attempt(name, partial(self.store.images.open, rows[0]))
            if image is not None:
                found.append(Known(name, image, tuple(rows)))
        return found

    def attempt(self, name: str, read: Callable[[], T]) -> T | None:
        """What `read` gives; None, and a warning, when an image of that name is damaged."""
        try:
            return read()
        except (EngineError, OSError) as error:
            self._left_out.setdefault(name, str(error))
            return None

    def each(self, read: Callable[[Known], T]) -> Iterator[tuple[Known, T]]:
        """What `read` gives for every image; those that it fails for are left out."""
        for known in self.images:
            found = self.attempt(known.name, partial(read, known))
            if found is not None:
                yield known, found

    def stack(self, known: Known) -> Stack:
        """The image for those who explain."""
        return image_stack(self.store, known.image, known.name)

    def columns(self, diff_id: Digest, *, hashed: bool = False) -> Columns:
        """A layer's listing, with the sha256 of each file if `hashed`."""
        found = self._columns.get(diff_id)
        if found is None or (hashed and not found.hashed):
            found = self._columns[diff_id] = self.store.layers.columns(diff_id, hashed=hashed)
        return found

    def hidden(self, known: Known, *, contents: bool) -> Sequence[Hidden]:
        """What is hidden in each layer of an image; see `visibility`."""
        found = self._hidden.get((known.name, True)) or self._hidden.get((known.name, contents))
        if found is None:
            paths = [self._layer_paths(each) for each in known.image.layers]
            found = self._hidden[known.name, contents] = visibility(paths, contents=contents)
        return found

    def _layer_paths(self, diff_id: Digest) -> LayerPaths:
        if diff_id not in self._paths:
            hashed = partial(self.columns, diff_id, hashed=True)
            self._paths[diff_id] = LayerPaths(self.columns(diff_id), hashed)
        return self._paths[diff_id]

    def visible_bytes(self, known: Known) -> list[int]:
        """For each layer, how much of its content can be seen in the image."""
        sums = []
        for diff_id, hidden in zip(
            known.image.layers, self.hidden(known, contents=False), strict=True
        ):
            sizes = self._layer_paths(diff_id).sizes
            sums.append(sum(sizes) - sum(sizes[at] for at in hidden))
        return sums


def name_of(row: NamedImage) -> str | None:
    """What people call the image; None when it has no name."""
    return row.reference.familiar if row.reference is not None else None
