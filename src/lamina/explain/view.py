"""What `ls`, `tree`, `find` and `cat` look at: the merged tree, one layer alone, or what is
hidden.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from lamina.errors import Invalid, NotFound
from lamina.explain.inodes import Inodes
from lamina.explain.stack import OWN, Stack
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Cause, Hidden, Union, implicit_directory


class NoSuchPath(NotFound):
    """Nothing is at the path in what was looked at."""


class WrongKind(Invalid):
    """Something is there, and not what was asked for: a directory for a file, or the reverse."""


class Node(msgspec.Struct, frozen=True):
    """What stands at a path."""

    path: str
    entry: Entry
    """As its layer has it; of a directory that no entry makes, one with the usual mode."""
    inode: Entry
    """What has the content, mode, owner and times: for a hard link the file that it is a
    further name of, else `entry`."""
    layer: int
    hidden: Hidden | None = None
    """Why it cannot be seen; None when it can."""

    @property
    def is_directory(self) -> bool:
        """Whether it may have something in it."""
        return self.entry.kind is Kind.DIRECTORY


class View(Protocol):
    """A tree of nodes.  Paths are clean: no leading slash, `""` is the root."""

    where: str
    """What is looked at, as a sentence has it: `in layer 2 of demo:latest`."""

    def at(self, path: str) -> Sequence[Node]:
        """What is there, the newest first; more than one only among what is hidden."""
        ...

    def names(self, path: str) -> Sequence[str]:
        """The names in a directory, sorted; empty for anything else."""
        ...

    def walk(self, path: str) -> Iterator[Node]:
        """Everything below `path`, parents before children, siblings by name."""
        ...

    def resolve(self, path: str, *, follow: bool = True) -> str:
        """Where the links in `path` lead, as under chroot; the last one counts with `follow`.

        Raises LinkLoop.
        """
        ...


def open_view(stack: Stack, *, layer: str | None = None, hidden: bool = False) -> View:
    """The merged tree; with `layer` (its label) all that this layer ships, seen or not; with
    `hidden` all that cannot be seen, of that layer or of every one.  Raises NoSuchLayer.

    A directory's own mode and owner under another layer's directory are no hidden thing: what
    is in it shows.
    """
    place = None if layer is None else stack.place(layer)
    if hidden:
        where = f"among what {stack.name} hides" + (f" of layer {layer}" if layer else "")
        return _Sorted(stack, _hidden_nodes(stack, place), stack.union, where)
    if place is None:
        return _Merged(stack)
    alone = Union.of([stack.listings[place]])
    where = f"in layer {layer} of {stack.name}"
    return _Sorted(stack, _layer_nodes(stack, place, alone), alone, where)


def clean(path: str) -> str:
    """`path` without what says nothing: leading and double slashes, `.`; `..` stays."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def nodes_at(stack: Stack, view: View, path: str, *, follow: bool = True) -> Sequence[Node]:
    """What is at `path`, at least one.  Raises NoSuchPath, with what is near, and LinkLoop."""
    found = view.at(view.resolve(path, follow=follow))
    if not found:
        raise _no_such_path(stack, view, clean(path))
    return found


def contents(stack: Stack, view: View, path: str) -> list[Node]:
    """What is in a directory, or the one thing at `path`; a link to a directory is followed.

    Raises NoSuchPath and LinkLoop.
    """
    real = view.resolve(path)
    if not any(node.is_directory for node in view.at(real)):
        return list(nodes_at(stack, view, path, follow=False))
    prefix = f"{real}/" if real else ""
    return [node for name in view.names(real) for node in view.at(prefix + name)]


def file_at(stack: Stack, view: View, path: str) -> Node:
    """The newest file that `path` leads to.  Raises NoSuchPath, WrongKind and LinkLoop."""
    found = nodes_at(stack, view, path)
    for node in found:
        if node.inode.kind is Kind.FILE:
            return node
    what = _NO_CONTENT[found[0].entry.kind]
    raise WrongKind(f"/{clean(path)} {view.where} is {what}: it has no content")


_NO_CONTENT = {
    Kind.DIRECTORY: "a directory",
    Kind.SYMLINK: "a link that leads nowhere",
    Kind.HARDLINK: "a name of a file that its layer does not have",
    Kind.CHAR: "a device",
    Kind.BLOCK: "a device",
    Kind.FIFO: "a named pipe",
}


class _Merged:
    """Implements `View` on what a container of the image sees."""

    def __init__(self, stack: Stack) -> None:
        self.where = f"in {stack.name}"
        self._union = stack.union
        self._inodes = Inodes(stack.listings)

    def at(self, path: str) -> Sequence[Node]:
        found = self._union.get(path)
        return [] if found is None else [self._node(*found, path)]

    def names(self, path: str) -> Sequence[str]:
        return self._union.children(path)

    def walk(self, path: str) -> Iterator[Node]:
        for layer, entry in self._union.walk(path):
            yield self._node(layer, entry, entry.path)

    def resolve(self, path: str, *, follow: bool = True) -> str:
        return self._union.resolve(path, follow=follow)

    def _node(self, layer: int, entry: Entry, path: str) -> Node:
        return Node(path, entry, self._inodes.of(layer, entry), layer)


class _Sorted:
    """Implements `View` on nodes in any order; directories that they need are there too."""

    def __init__(self, stack: Stack, nodes: Iterable[Node], tree: Union, where: str) -> None:
        self.where = where
        self._union = stack.union
        self._tree = tree
        self._nodes: dict[str, list[Node]] = {}
        self._children: dict[str, set[str]] = {"": set()}
        for node in nodes:
            self._nodes.setdefault(node.path, []).append(node)
        for found in self._nodes.values():
            found.sort(key=lambda node: -node.layer)
        for path in self._nodes:
            self._enter(path)

    def _enter(self, path: str) -> None:
        while path:
            parent, _, name = path.rpartition("/")
            siblings = self._children.setdefault(parent, set())
            if name in siblings:
                return
            siblings.add(name)
            path = parent

    def at(self, path: str) -> Sequence[Node]:
        found = self._nodes.get(path)
        if found is not None:
            return found
        if path not in self._children:
            return []
        # Only what is in it is in this view; the directory itself is the merged tree's.
        seen = self._union.get(path)
        entry = seen.entry if seen else implicit_directory(path)
        if entry.kind is not Kind.DIRECTORY:
            entry = implicit_directory(path)
        return [Node(path, entry, entry, seen.layer if seen else 0)]

    def names(self, path: str) -> Sequence[str]:
        return sorted(self._children.get(path, ()))

    def walk(self, path: str) -> Iterator[Node]:
        todo = self._below(path)
        while todo:
            at = todo.pop()
            yield from self.at(at)
            todo += self._below(at)

    def _below(self, path: str) -> list[str]:
        prefix = f"{path}/" if path else ""
        return [prefix + name for name in sorted(self._children.get(path, ()), reverse=True)]

    def resolve(self, path: str, *, follow: bool = True) -> str:
        # A link above it may be another layer's: then the merged tree knows where it leads.
        here = self._tree.resolve(path, follow=follow)
        if self.at(here):
            return here
        literal = clean(path)
        return literal if self.at(literal) else self._union.resolve(path, follow=follow)


def _layer_nodes(stack: Stack, place: int, alone: Union) -> Iterator[Node]:
    """All that a layer ships, its markers too; what its own later entries replace is left out."""
    inodes = Inodes(stack.listings)
    fates = {
        id(each.entry): each
        for each in (*stack.union.covered, *stack.union.hidden)
        if each.layer == place and each.cause is not Cause.MERGED
    }
    for _, entry in alone.walk():
        inode = inodes.of(place, entry)
        yield Node(entry.path, entry, inode, place, fates.get(id(entry)) or fates.get(id(inode)))
    for entry in stack.listings[place].entries:
        if entry.is_marker:
            yield Node(entry.path, entry, entry, place)


def _hidden_nodes(stack: Stack, place: int | None) -> Iterator[Node]:
    inodes = Inodes(stack.listings)
    for each in (*stack.union.hidden, *stack.union.covered):
        if each.cause is not Cause.MERGED and place in (None, each.layer):
            entry = each.entry
            yield Node(entry.path, entry, inodes.of(each.layer, entry), each.layer, each)


def _no_such_path(stack: Stack, view: View, path: str) -> NoSuchPath:
    where = view.where
    blocker = _not_a_directory(view, path)
    if blocker:
        return NoSuchPath(f"no /{path} {where}: /{blocker} is not a directory")
    lost = [each for each in (*stack.union.hidden, *stack.union.covered) if each.path == path]
    if lost and isinstance(view, _Merged):
        newest = max(lost, key=lambda each: each.hidden_by)
        by = stack.label(newest.hidden_by)
        who = "the container" if by == OWN else f"layer {by}"
        return NoSuchPath(
            f"no /{path} {where}: {who} hides it", hint="--hidden shows what cannot be seen"
        )
    return NoSuchPath(f"no /{path} {where}", hint=_near(view, path))


def _not_a_directory(view: View, path: str) -> str:
    """The first directory of `path` that is none; empty when all are, or are missing."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        above = "/".join(parts[:depth])
        found = view.at(view.resolve(above))
        if found and not any(node.is_directory for node in found):
            return above
    return ""


def _near(view: View, path: str) -> str:
    from difflib import get_close_matches

    parent, _, name = path.rpartition("/")
    near = get_close_matches(name, view.names(view.resolve(parent)), 3)
    shown = [f"/{parent}/{each}" if parent else f"/{each}" for each in near]
    return f"similar there: {', '.join(shown)}" if shown else ""
