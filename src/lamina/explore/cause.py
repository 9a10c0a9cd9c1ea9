"""Which layer to look at next to learn what became of a path.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from lamina.explore.timeline import Timeline
from lamina.explore.tree import Node, Span, State


def wasted_at(timeline: Timeline, path: str) -> Mapping[tuple[int, int], int]:
    """Who ships and who hides → bytes at a path and below that nobody can see in the end."""
    folder = timeline.folders.get(path)
    sums = defaultdict[tuple[int, int], int](int, folder.wasted if folder else {})
    for hidden in timeline.hidden(path):
        sums[hidden.layer, hidden.hidden_by] += hidden.size
    return sums


def next_layer(timeline: Timeline, node: Node, span: Span) -> int | None:
    """The layer that leads on from a node: from a tree of many layers the one that hid, deleted
    or wrote what is there, from that one the one that shipped it, and back.

    None when no other layer has to do with it.
    """
    wasted = wasted_at(timeline, node.path)
    here = span.last
    if not span.single:
        if wasted:
            return _most((by, size) for (_, by), size in wasted.items())
        return taken_by(timeline, node) if node.state is State.DELETED else node.layer
    for choices in (
        [(layer, size) for (layer, by), size in wasted.items() if by == here],
        [(by, size) for (layer, by), size in wasted.items() if layer == here],
        [(node.layer, 0)],
        [(each.layer, each.layer) for each in timeline.versions(node.path) if each.layer < here],
    ):
        others = [each for each in choices if each[0] != here]
        if others:
            return _most(others)
    return None


def taken_by(timeline: Timeline, node: Node) -> int:
    """Who took away what is deleted."""
    for version in timeline.versions(node.path):
        if version.entry is node.entry:
            return version.until
    return node.layer


def _most(choices: Iterable[tuple[int, int]]) -> int:
    """The layer with most bytes, the highest among equals."""
    sums: dict[int, int] = {}
    for layer, size in choices:
        sums[layer] = sums.get(layer, 0) + size
    return max(sums, key=lambda layer: (sums[layer], layer))
