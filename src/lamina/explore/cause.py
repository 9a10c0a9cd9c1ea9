"""Which layer to look at next to learn what became of a path.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.explain.stack import Stack
from lamina.explore.timeline import Timeline
from lamina.explore.tree import Node, Span, State
from lamina.layer.union import Hidden


def hidden_at(stack: Stack, timeline: Timeline, node: Node) -> Sequence[Hidden]:
    """The contents at a node and below it that cannot be seen in the end."""
    here = list(timeline.hidden(node.path))
    if node.path in timeline.folders:
        inside = node.path + "/"
        here += [each for each in stack.union.hidden if each.entry.path.startswith(inside)]
    return here


def next_layer(stack: Stack, timeline: Timeline, node: Node, span: Span) -> int | None:
    """The layer that leads on from a node: from a tree of many layers the one that hid, deleted
    or wrote what is there, from that one the one that shipped it, and back.

    None when no other layer has to do with it.
    """
    hidden = hidden_at(stack, timeline, node)
    here = span.last
    if not span.single:
        gone = _taken(timeline, node) if node.state is State.DELETED else node.layer
        return _most((each.hidden_by, each.entry.size) for each in hidden) if hidden else gone
    for choices in (
        [(each.layer, each.entry.size) for each in hidden if each.hidden_by == here],
        [(each.hidden_by, each.entry.size) for each in hidden if each.layer == here],
        [(node.layer, 0)],
        [(each.layer, each.layer) for each in timeline.versions(node.path) if each.layer < here],
    ):
        others = [each for each in choices if each[0] != here]
        if others:
            return _most(others)
    return None


def _taken(timeline: Timeline, node: Node) -> int:
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
