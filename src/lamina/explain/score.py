"""The score that dive gives an image, by its own arithmetic, right or wrong.  Pure.

People have thresholds on these figures, so they are dive 0.13.1's to the last digit.
What they miss and what they count twice is in docs/waste.md; what is true is `waste`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from lamina.layer.contract import Listing
from lamina.layer.entry import WHITEOUT_PREFIX, Kind, os_path

_NEVER_ADDED = WHITEOUT_PREFIX * 2 + "."
"""What a component starts with that dive leaves out, with all below it: `.wh..wh..opq`."""


class Repeated(msgspec.Struct, frozen=True):
    """A path that dive finds in more than one layer, and calls inefficient."""

    path: str
    count: int
    """Layers that have it, as a file or as a whiteout."""
    bytes: int
    """Of all its copies, also the one that can be seen."""
    layers: tuple[int, ...]


class Score(msgspec.Struct, frozen=True):
    """dive's five figures, under the names that it gives them."""

    efficiency: float
    """The smallest copy of each path over all copies: 1 is best."""
    wasted_bytes: int
    size_bytes: int
    user_size_bytes: int
    """Of all layers but the lowest."""
    wasted_user_percent: float
    """`wasted_bytes` over `user_size_bytes`, as a share of 1: nan or inf when that is 0."""
    repeated: Sequence[Repeated]
    """The most bytes first."""


def score(listings: Sequence[Listing]) -> Score:
    """What dive says of these layers, the lowest first."""
    seen = _Seen()
    stacked: _Node | None = None
    for layer, listing in enumerate(listings):
        tree = _tree(listing)
        # dive starts from a copy of the lowest layer, also for that layer, and lays it over itself.
        stacked = stacked or _tree(listing)
        seen.add(layer, tree, stacked)
        _stack(stacked, tree)
    size = sum(listing.content_size for listing in listings)
    user = sum(listing.content_size for listing in listings[1:])
    wasted = sum(each.bytes for each in seen.repeated())
    return Score(
        seen.efficiency(), wasted, size, user, _quotient(wasted, user), list(seen.repeated())
    )


def _quotient(a: int, b: int) -> float:
    if b:
        return a / b
    return math.inf if a else math.nan


class _Node:
    """A place in dive's tree: one that only leads to others is no directory to it."""

    __slots__ = ("children", "is_directory", "size")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.is_directory = False
        self.size = 0

    def below(self) -> Iterator[_Node]:
        """This and all below it."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(node.children.values())


def _tree(listing: Listing) -> _Node:
    root = _Node()
    for entry in listing.entries:
        if not entry.path:
            continue
        node = root
        for name in entry.path.split("/"):
            child = node.children.get(name)
            if child is None:
                if name.startswith(_NEVER_ADDED):
                    break
                child = node.children[name] = _Node()
            node = child
        else:
            node.size, node.is_directory = entry.size, entry.kind is Kind.DIRECTORY
    return root


def _ordered(node: _Node) -> list[str]:
    """Names as Go sorts them: by their bytes."""
    return sorted(node.children, key=os_path)


def _stack(lower: _Node, upper: _Node) -> None:
    """Lay a layer's tree over those below it."""
    todo = [(lower, upper, name) for name in reversed(_ordered(upper))]
    while todo:
        parent, above, name = todo.pop()
        node = above.children[name]
        is_marker = name.startswith(WHITEOUT_PREFIX)
        if is_marker:
            parent.children.pop(name[len(WHITEOUT_PREFIX) :], None)
            if not node.children:
                continue
        below = parent.children.get(name)
        if below is None:
            below = parent.children[name] = _Node()
        if not is_marker:
            below.size, below.is_directory = node.size, node.is_directory
        todo.extend((below, node, each) for each in reversed(_ordered(node)))


class _Path:
    __slots__ = ("bytes", "layers", "least")

    def __init__(self) -> None:
        self.bytes = 0
        self.least = -1
        """Stays -1 when the only whiteout of the path deletes nothing; dive sums that up too."""
        self.layers: list[int] = []


class _Seen:
    """Every path of every layer that dive has looked at."""

    def __init__(self) -> None:
        self._paths: dict[str, _Path] = {}

    def add(self, layer: int, tree: _Node, stacked: _Node) -> None:
        """Look at a layer's leaves in order; `stacked` are the layers below.

        A whiteout of what is not there ends the look, as it does in dive.
        """
        todo = [(tree, name, "") for name in reversed(_ordered(tree))]
        while todo:
            parent, name, directory = todo.pop()
            node = parent.children[name]
            if node.children:
                inside = f"{directory}/{name}"
                todo.extend((node, each, inside) for each in reversed(_ordered(node)))
                continue
            path = f"{directory}/{name.removeprefix(WHITEOUT_PREFIX)}"
            found = self._paths.setdefault(path, _Path())
            size: int | None = node.size
            if name.startswith(WHITEOUT_PREFIX):
                size = _deleted(stacked, path)
                if size is None:
                    return
            assert size is not None
            found.bytes += size
            found.least = size if found.least < 0 else min(found.least, size)
            found.layers.append(layer)

    def efficiency(self) -> float:
        total = sum(each.bytes for each in self._paths.values())
        return sum(each.least for each in self._paths.values()) / total if total else 1.0

    def repeated(self) -> list[Repeated]:
        found = [
            Repeated(path.lstrip("/"), len(each.layers), each.bytes, tuple(each.layers))
            for path, each in self._paths.items()
            if len(each.layers) > 1
        ]
        return sorted(found, key=lambda each: (-each.bytes, each.path))


def _deleted(stacked: _Node, path: str) -> int | None:
    """The bytes that a whiteout takes away by dive's count; None when nothing is there."""
    node = stacked
    for name in path.split("/"):
        if not name:
            continue
        child = node.children.get(name)
        if child is None:
            return None
        node = child
    return sum(each.size for each in node.below()) if node.is_directory else 0
