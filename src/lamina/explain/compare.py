"""Two images or containers beside each other: files, packages, configuration, layers.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from lamina.explain.difference import Aspect, Copy, differences
from lamina.explain.package_records import Manager, Package
from lamina.explain.packages import Inventory, inventory
from lamina.explain.settings import SettingChange, setting_changes
from lamina.explain.stack import Stack
from lamina.explain.view import Node, open_view
from lamina.layer.entry import Kind

Verdict = Literal["added", "removed", "changed"]


class Change(msgspec.Struct, frozen=True):
    """One path that is not the same in both."""

    path: str
    old: Node | None
    new: Node | None
    aspects: tuple[Aspect, ...] = ()
    """In what it differs; empty when only one has it."""

    @property
    def verdict(self) -> Verdict:
        """What happened to it on the way from old to new."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"

    @property
    def growth(self) -> int:
        """Bytes that the new one has more there; below 0 when it has less."""
        return _size(self.new) - _size(self.old)


class PackageChange(msgspec.Struct, frozen=True):
    """A package that only one has, or both in another version or for another architecture."""

    kind: Manager
    name: str
    old: Package | None
    new: Package | None

    @property
    def verdict(self) -> Verdict:
        """What happened to it on the way from old to new."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"

    @property
    def growth(self) -> int:
        """Bytes of installed size that the new one has more."""
        return (self.new.bytes if self.new else 0) - (self.old.bytes if self.old else 0)


class Comparison(msgspec.Struct, frozen=True):
    """All that differs between an old and a new image."""

    changes: Sequence[Change]
    """Sorted by path, what is in a directory after it."""
    packages: Sequence[PackageChange]
    settings: Sequence[SettingChange]
    old_layers: Sequence[int]
    """Those that only the old one has, the lowest first, counted from 0."""
    new_layers: Sequence[int]
    old_inventory: Inventory
    new_inventory: Inventory

    @property
    def is_empty(self) -> bool:
        """Whether a container would see no difference, whatever the layers are."""
        return not (self.changes or self.packages or self.settings)


def compare(old: Stack, new: Stack, *, mtime: bool = False) -> Comparison:
    """What is different in `new`: as the trees are seen, however the layers make them.

    Times of last change count only with `mtime`: two builds of one Dockerfile differ in
    little else.  Which names of a file are hard links does not count.
    """
    before, after = inventory(old), inventory(new)
    old_layers, new_layers = _own_layers(old, new), _own_layers(new, old)
    return Comparison(
        list(_changes(old, new, mtime=mtime)),
        _package_changes(before.packages, after.packages),
        setting_changes(old.config, new.config),
        old_layers,
        new_layers,
        before,
        after,
    )


def _changes(old: Stack, new: Stack, *, mtime: bool) -> Iterator[Change]:
    theirs = {node.path: node for node in open_view(old).walk("")}
    found: list[Change] = []
    for node in open_view(new).walk(""):
        before = theirs.pop(node.path, None)
        if before is None:
            found.append(Change(node.path, None, node))
            continue
        # Most are equal in all that their layers say of them, the place in the tar included.
        if before.inode == node.inode and (node.inode.sha256 or not node.inode.size):
            continue
        copies = Copy(old, before.layer, before.inode), Copy(new, node.layer, node.inode)
        if aspects := differences(*copies, mtime=mtime):
            found.append(Change(node.path, before, node, aspects))
    found += [Change(path, node, None) for path, node in theirs.items()]
    yield from sorted(found, key=lambda change: change.path.split("/"))


def _own_layers(stack: Stack, other: Stack) -> list[int]:
    """The layers that the other one does not have; one that it has less often is among them."""
    left = Counter(listing.diff_id for listing in other.listings)
    own = []
    for layer, listing in enumerate(stack.listings):
        if left[listing.diff_id]:
            left[listing.diff_id] -= 1
        else:
            own.append(layer)
    return own


def _package_changes(old: Sequence[Package], new: Sequence[Package]) -> list[PackageChange]:
    """Packages are told apart by manager and name; of several of one name those that both have
    go first, the others pair in the order of their versions."""
    sides: dict[tuple[Manager, str], tuple[list[Package], list[Package]]] = {}
    for side, packages in enumerate((old, new)):
        for each in packages:
            sides.setdefault((each.kind, each.name), ([], []))[side].append(each)
    changes = []
    for (kind, name), (before, after) in sorted(sides.items()):
        gone, come = _without(before, after), _without(after, before)
        for place in range(max(len(gone), len(come))):
            pair = (each[place] if place < len(each) else None for each in (gone, come))
            changes.append(PackageChange(kind, name, *pair))
    return changes


def _without(packages: Sequence[Package], others: Sequence[Package]) -> list[Package]:
    left = Counter((each.version, each.architecture) for each in others)
    found = []
    for each in packages:
        key = (each.version, each.architecture)
        if left[key]:
            left[key] -= 1
        else:
            found.append(each)
    return found


def _size(node: Node | None) -> int:
    return node.inode.size if node is not None and node.inode.kind is Kind.FILE else 0


class Gathered(msgspec.Struct, frozen=True):
    """A change for people: a path, or a directory with all in it that only follows from it."""

    change: Change
    """Of the path, or of the directory."""
    files: int
    """How many files, links and devices; 0 for a directory alone."""
    growth: int
    """Bytes, each content once."""
    layers: Sequence[int]
    """The layers of the new one that what is there now is from, that with the most bytes first;
    empty for what was removed."""


def gather(changes: Sequence[Change]) -> list[Gathered]:
    """Changes with what only follows from them folded in, the largest first: what is in a
    directory that only one has, and what got a new owner with its directory."""
    tops: dict[str, _Sum] = {}
    sums: list[_Sum] = []
    met: set[int] = set()
    for change in changes:
        above = tops.get(change.path.rpartition("/")[0]) if "/" in change.path else None
        if above is None or not _follows(change, above.change):
            above = _Sum(change)
            sums.append(above)
        tops[change.path] = above
        above.add(change, met)
    found = [each.gathered() for each in sums]
    return sorted(found, key=lambda each: (-abs(each.growth), each.change.path))


class _Sum:
    """A change, and what was folded in so far."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._files = self._growth = 0
        self._layers: dict[int, int] = {}

    def add(self, change: Change, met: set[int]) -> None:
        """Count a change; `met` are the contents that only one has and that were counted."""
        node = change.new or change.old
        assert node is not None
        is_file = not node.is_directory
        self._files += is_file
        if change.verdict == "changed" or id(node.inode) not in met:
            self._growth += change.growth
        met.add(id(node.inode))
        if change.new is not None and (is_file or change is self.change):
            bytes_before = self._layers.get(node.layer, 0)
            self._layers[node.layer] = bytes_before + node.inode.size * is_file

    def gathered(self) -> Gathered:
        layers = sorted(self._layers, key=lambda layer: -self._layers[layer])
        if self._files and self.change.verdict == "added":
            # Of a directory that more than one layer wrote: those that have something in it.
            layers = [layer for layer in layers if self._layers[layer]] or layers
        return Gathered(self.change, self._files, self._growth, layers)


def _follows(change: Change, above: Change) -> bool:
    """Whether a change says no more than that of the directory above it."""
    if change.verdict != above.verdict:
        return False
    if change.verdict != "changed":
        return True
    return change.aspects == above.aspects == (Aspect.OWNER,) and _owners(change) == _owners(above)


def _owners(change: Change) -> list[tuple[int, int]]:
    return [(each.inode.uid, each.inode.gid) for each in (change.old, change.new) if each]
