"""The tree as the stack is when it ends with some layer, and what changed to get there.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import Enum

import msgspec

from lamina.explain.stack import Stack
from lamina.explore.search import Found
from lamina.explore.timeline import Folder, Timeline, Version, alike, seen
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Hidden


class State(Enum):
    """What happened to a path."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    UNMODIFIED = "unmodified"


class Sort(Enum):
    """What comes first in a directory."""

    NAME = "name"
    SIZE = "size"
    HIDDEN = "hidden"


class Span(msgspec.Struct, frozen=True):
    """Which layers are looked at: the tree is that of all layers up to `last`."""

    last: int
    first: int
    """The lowest layer whose changes are marked; what was there below it is unmodified."""
    single: bool
    """Whether one layer is looked at for itself: what others ship or hide is left out."""


class Node(msgspec.Struct, frozen=True, gc=False):
    """What there is to see at a path, or was."""

    path: str
    entry: Entry
    """What is there; of something deleted, what was there last."""
    layer: int
    """Who ships that."""
    state: State
    size: int
    """Bytes: a file's, or all that can be seen in a directory; of something deleted, those
    that went with it."""
    hidden: int
    """Bytes here and below that nobody sees in the end: of a single layer those that it ships
    or hides, else those that all layers up to the last one ship."""

    holds: bool
    """Whether something may be in it: it is a directory, or took the place of one."""

    @property
    def is_directory(self) -> bool:
        """Whether what is there is a directory."""
        return self.entry.kind is Kind.DIRECTORY


class Tree:
    """The nodes of one span, directory by directory as they are asked for."""

    def __init__(self, stack: Stack, timeline: Timeline, span: Span) -> None:
        self.span = span
        self._union = stack.union
        self._timeline = timeline
        # A bit for each layer from the first to the last.
        self._bits = max(0, (1 << span.last + 1) - (1 << span.first))

    @property
    def size(self) -> int:
        """Bytes of the whole tree."""
        return self._timeline.folders[""].size(self.span.last)

    @property
    def hidden(self) -> int:
        """Bytes that nobody sees in the end, as a node has them."""
        return self._waste(self._timeline.folders[""])

    def children(
        self,
        path: str,
        *,
        sort: Sort = Sort.NAME,
        without: Collection[State] = (),
        among: Found | None = None,
    ) -> list[Node]:
        """What is in a directory, but for what is in a state `without`, or not `among` what a
        filter found.  A directory stays when something in it does not go.
        """
        found = []
        hidden = self._timeline.hidden_inside(path)
        for child, versions in self._timeline.inside(path).items():
            if among is not None and not self._finds(child, versions, among):
                continue
            node = self._node(child, versions, hidden.get(child, ()))
            if node is not None and not (node.state in without and self._goes(node, without)):
                found.append(node)
        return sorted(found, key=_ORDER[sort])

    def node(self, path: str) -> Node | None:
        """What is at a path, or was; None when the span knows nothing of it."""
        return self._node(path, self._timeline.versions(path), self._timeline.hidden(path))

    def _finds(self, path: str, versions: Sequence[Version], among: Found) -> bool:
        """Whether there is a node at a path, and the filter found it or something in it."""
        if path in among.paths:
            return self._shows(path, versions)
        todo = [path] if path in among.above else []
        while todo:
            for child, inside in self._timeline.inside(todo.pop()).items():
                if child in among.above:
                    todo.append(child)
                if child in among.paths and self._shows(child, inside):
                    return True
        return False

    def _shows(self, path: str, versions: Sequence[Version]) -> bool:
        """Whether there is a node at a path that has these versions, the lowest first."""
        last = self.span.last
        if not self.span.single:
            return versions[0].layer <= last
        for version in versions:
            if version.layer <= last and (version.until > last or self._takes(version)):
                return True
        return self._hides(self._timeline.hidden(path))

    def _takes(self, version: Version) -> bool:
        """Whether the span shows what took something away."""
        return not self.span.single or version.until == self.span.last

    def _hides(self, hidden: Sequence[Hidden]) -> bool:
        """Whether the single layer hides a content that was last seen by another name."""
        return self.span.single and self._bytes(hidden) > 0

    def _node(
        self, path: str, versions: Sequence[Version], hidden: Sequence[Hidden]
    ) -> Node | None:
        last = self.span.last
        gone = None
        for version in versions:
            if version.layer <= last:
                if version.until > last:
                    return self._present(path, versions, version, hidden)
                if self._takes(version) or self._hides(hidden):
                    gone = version
        return self._deleted(path, gone, hidden) if gone else None

    def _present(
        self, path: str, versions: Sequence[Version], now: Version, hidden: Sequence[Hidden]
    ) -> Node:
        entry = now.entry
        state = State.UNMODIFIED
        if now.layer >= self.span.first:
            before = seen(versions, self.span.first - 1)
            if before is None:
                state = State.ADDED
            elif not alike(before, now):
                state = State.CHANGED
        holds = entry.kind is Kind.DIRECTORY
        size = self._content_size(entry)
        wasted = self._bytes(hidden)
        folder = self._timeline.folders.get(path)
        if folder is not None:
            wasted += self._waste(folder)
            if holds:
                size = folder.size(self.span.last)
                if state is State.UNMODIFIED and folder.touched & self._bits:
                    state = State.CHANGED
            else:
                holds = any(self._shows(*each) for each in self._timeline.inside(path).items())
        return Node(path, entry, now.layer, state, size, wasted, holds)

    def _deleted(self, path: str, last: Version, hidden: Sequence[Hidden]) -> Node:
        entry, wasted = last.entry, self._bytes(hidden)
        size = self._content_size(entry)
        folder = self._timeline.folders.get(path)
        if folder is not None:
            wasted += self._waste(folder)
            if entry.kind is Kind.DIRECTORY:
                # The size that it had when the layer came that took it away.
                size = folder.size(last.until - 1)
        return Node(path, entry, last.layer, State.DELETED, size, wasted, folder is not None)

    def _bytes(self, hidden: Sequence[Hidden]) -> int:
        """Bytes of those contents that the span has to do with."""
        if not hidden:
            return 0
        last = self.span.last
        if self.span.single:
            return sum(each.size for each in hidden if last in (each.layer, each.hidden_by))
        return sum(each.size for each in hidden if each.layer <= last)

    def _waste(self, folder: Folder) -> int:
        if self.span.single:
            return folder.waste_of(self.span.last)
        return folder.waste(self.span.last)

    def _content_size(self, entry: Entry) -> int:
        if entry.kind is not Kind.HARDLINK:
            return entry.size
        file = self._union.file_of(entry)
        return file.size if file else 0

    def _goes(self, node: Node, without: Collection[State]) -> bool:
        """Whether nothing in a node that is not wanted itself keeps it in sight."""
        todo = [node]
        while todo:
            here = todo.pop()
            if here.state is State.DELETED or (here.state is not State.CHANGED and not here.hidden):
                continue  # all in it is in the same state
            hidden = self._timeline.hidden_inside(here.path)
            for path, versions in self._timeline.inside(here.path).items():
                child = self._node(path, versions, hidden.get(path, ()))
                if child is not None and child.state not in without:
                    return False
                if child is not None and child.holds:
                    todo.append(child)
        return True


def _by_name(node: Node) -> tuple[int, str]:
    return 0, node.path


def _by_size(node: Node) -> tuple[int, str]:
    return -node.size, node.path


def _by_hidden(node: Node) -> tuple[int, str]:
    return -node.hidden, node.path


_ORDER: dict[Sort, Callable[[Node], tuple[int, str]]] = {
    Sort.NAME: _by_name,
    Sort.SIZE: _by_size,
    Sort.HIDDEN: _by_hidden,
}
