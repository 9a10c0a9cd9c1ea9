"""What the explorer shows, without a terminal: a layer, its tree, how it is looked at.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.explain.stack import Stack
from lamina.explore.cause import next_layer
from lamina.explore.rows import Folds, Rows
from lamina.explore.search import Found, Index
from lamina.explore.timeline import Timeline
from lamina.explore.tree import Node, Sort, Span, State, Tree

_PREPARED = 20
"""Directories that are indexed at a time."""


class Explorer:
    """A stack, the layer of it that is looked at, and how.

    Whatever changes makes new `rows`; those of before mean nothing then.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.timeline = Timeline(stack)
        self.layer: int | None = None
        """The layer that is looked at; None for the whole image."""
        self.aggregated = False
        """Whether the changes of all layers above the base are marked, up to the one that is
        looked at; else its own alone.  Of the whole image they always are."""
        self.without: set[State] = set()
        """What is left out."""
        self.sort = Sort.NAME
        self.pattern = ""
        self._index = Index(self.timeline)
        self._folds = Folds()
        self._found = Folds(all_open=True)
        self._among: Found | None = None
        self._renew()

    @property
    def layers(self) -> Sequence[int | None]:
        """What may be looked at: the whole image, then its layers from the top."""
        return [None, *range(len(self.stack) - 1, -1, -1)]

    @property
    def base(self) -> int:
        """How many of the lowest layers are the base: one, where nothing is known of it."""
        return self.stack.base.layers if self.stack.base else 1

    @property
    def span(self) -> Span:
        """The layers that are looked at."""
        if self.layer is None:
            return Span(len(self.stack) - 1, self.base, single=False)
        if self.aggregated:
            return Span(self.layer, self.base, single=False)
        return Span(self.layer, self.layer, single=True)

    @property
    def folds(self) -> Folds:
        """Which directories are open; a filter has its own, and opens all that it finds."""
        return self._found if self.pattern else self._folds

    def look_at(self, layer: int | None) -> None:
        """Look at a layer, or at the whole image."""
        self.layer = layer
        self._renew()

    def mark(self, *, aggregated: bool) -> None:
        """Mark the changes of all layers above the base, or those of one alone."""
        self.aggregated = aggregated
        self._renew()

    def toggle_state(self, state: State) -> None:
        """Leave out what is in a state, or show it again."""
        self.without ^= {state}
        self._renew()

    def sort_next(self) -> None:
        """By name, by size, by hidden bytes."""
        orders = list(Sort)
        self.sort = orders[(orders.index(self.sort) + 1) % len(orders)]
        self._renew()

    def filter(self, pattern: str) -> None:
        """Show only what matches (see `Index.search`); an empty pattern shows all."""
        self.pattern = pattern
        self._found = Folds(all_open=True)
        self._renew()

    def toggle_all(self) -> None:
        """Open all directories, or close them."""
        all_open = not self.folds.all_open
        if self.pattern:
            self._found = Folds(all_open=all_open)
        else:
            self._folds = Folds(all_open=all_open)
        self._renew()

    def cause(self, node: Node) -> bool:
        """Look at the layer that leads on from a node (see `next_layer`), by itself and with the
        node in sight.  False when there is none."""
        layer = next_layer(self.timeline, node, self.span)
        if layer is None:
            return False
        self.layer, self.aggregated = layer, False
        self._renew()
        self.reveal(node.path)
        return True

    def reveal(self, path: str) -> None:
        """Open what `path` lies in; give up what leaves it out."""
        node = self.tree.node(path)
        if node is not None and node.state in self.without:
            self.without.discard(node.state)
        if self._among is not None and path not in self._among:
            self.pattern = ""
        self.folds.open_above(path)
        self._renew()

    def shown_as(self, path: str) -> str:
        """The path itself when it is in sight, else the highest closed directory above it, or
        what is left there of the directories that it was in."""
        parts = path.split("/")
        shown = ""
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            if self.tree.node(here) is None or (
                self._among is not None and here not in self._among
            ):
                break
            shown = here
            if not self.folds.is_open(here):
                break
        return shown

    def prepare(self) -> bool:
        """Use a few milliseconds to have the first filter fast; False when nothing is left."""
        return self._index.grow(_PREPARED)

    def _renew(self) -> None:
        self.tree = Tree(self.stack, self.timeline, self.span)
        self._among = self._index.search(self.pattern) if self.pattern else None
        self.rows = Rows(self._children, self.folds)

    def _children(self, path: str) -> list[Node]:
        return self.tree.children(path, sort=self.sort, without=self.without, among=self._among)
