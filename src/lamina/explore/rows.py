"""A tree as rows, some directories open; no more of them are made than somebody looks at.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from lamina.explore.tree import Node


class Folds:
    """Which directories are open: all or none of them, but for some."""

    def __init__(self, *, all_open: bool = False) -> None:
        self.all_open = all_open
        self._others: set[str] = set()

    def is_open(self, path: str) -> bool:
        """Whether what is in a directory is shown."""
        return (path in self._others) != self.all_open

    def toggle(self, path: str) -> None:
        """Open what is closed, close what is open."""
        self._others ^= {path}

    def open_above(self, path: str) -> None:
        """Open all directories that `path` is in."""
        above = path.rpartition("/")[0]
        while above:
            if not self.is_open(above):
                self.toggle(above)
            above = above.rpartition("/")[0]


class Row(msgspec.Struct, frozen=True, gc=False):
    """A line of the tree."""

    node: Node
    depth: int
    is_open: bool


class Rows:
    """The rows of a tree, from the top; they are made as they are asked for."""

    def __init__(self, children: Callable[[str], Sequence[Node]], folds: Folds) -> None:
        self._children = children
        self._folds = folds
        self._made: list[Row] = []
        self._pending: list[Iterator[Node]] = [iter(children(""))]
        """For each depth, the rest of the directory that the last row is in."""

    @property
    def made(self) -> int:
        """How many rows are made."""
        return len(self._made)

    @property
    def is_whole(self) -> bool:
        """Whether all rows are made."""
        return not self._pending

    def grow(self, count: int) -> None:
        """Make `count` more rows, or all that there are."""
        _unfold(self._made, self._pending, self._children, self._folds, len(self._made) + count)

    def upto(self, place: int) -> Row | None:
        """The row at a place, made if it has to be; None beyond the last one."""
        if place >= len(self._made):
            self.grow(place + 1 - len(self._made))
        return self._made[place] if 0 <= place < len(self._made) else None

    def find(self, path: str, *, within: int | None = None) -> int | None:
        """The place of the row of a path, made if it has to be; None when there is none, or none
        among the first rows `within`."""
        at = 0
        while (within is None or at < within) and (row := self.upto(at)) is not None:
            if row.node.path == path:
                return at
            at += 1
        return None

    def toggle(self, place: int) -> None:
        """Open or close the directory in a row; nothing happens to anything else."""
        row = self.upto(place)
        if row is None or not row.node.holds:
            return
        self._folds.toggle(row.node.path)
        if row.is_open:
            self._close(place, row.depth)
        else:
            inside: list[Row] = []
            level = [iter(self._children(row.node.path))]
            _unfold(inside, level, self._children, self._folds, None, row.depth + 1)
            self._made[place + 1 : place + 1] = inside
        self._made[place] = Row(row.node, row.depth, not row.is_open)

    def parent(self, place: int) -> int | None:
        """The place of the directory that a row is in; None for those at the top."""
        depth = self._made[place].depth
        for above in range(place - 1, -1, -1):
            if self._made[above].depth < depth:
                return above
        return None

    def _close(self, place: int, depth: int) -> None:
        end = place + 1
        while end < len(self._made) and self._made[end].depth > depth:
            end += 1
        if end == len(self._made):
            del self._pending[depth + 1 :]
        del self._made[place + 1 : end]


def _unfold(
    rows: list[Row],
    pending: list[Iterator[Node]],
    children: Callable[[str], Sequence[Node]],
    folds: Folds,
    until: int | None,
    depth: int = 0,
) -> None:
    """Add rows until there are `until`, or all; the first of `pending` is at `depth`."""
    while pending and (until is None or len(rows) < until):
        node = next(pending[-1], None)
        if node is None:
            pending.pop()
            continue
        is_open = node.holds and folds.is_open(node.path)
        rows.append(Row(node, depth + len(pending) - 1, is_open))
        if is_open:
            pending.append(iter(children(node.path)))
