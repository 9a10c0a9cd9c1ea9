"""From which layer to which there is anything each path: one pass for all layers.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Hidden, Union

_DIRECTORY, _HARDLINK = Kind.DIRECTORY, Kind.HARDLINK


class Version(msgspec.Struct, frozen=True, gc=False):
    """What is at a path from one layer on, until another takes it away."""

    layer: int
    """Who ships it; layers are counted from 0, the lowest."""
    until: int
    """Who takes it away: from there on it cannot be seen at its path.  The number of layers
    when nobody does; its own layer when it never could be seen."""
    entry: Entry


class Folder:
    """All that any layer ever had in a directory, and its sums."""

    def __init__(self) -> None:
        self.shipped: list[tuple[int, Sequence[Entry]]] = []
        """Layers, the lowest first, and what each has directly in here, markers too."""
        self.hidden: list[Hidden] = []
        """The contents directly in it that cannot be seen in the end."""
        self.added = defaultdict[int, int](int)
        """Layer → by how many bytes it makes what can be seen in here and below grow; beyond
        the highest nothing is seen."""
        self.wasted = defaultdict[tuple[int, int], int](int)
        """Who ships and who hides → bytes in here and below that nobody can see in the end."""
        self.touched = 0
        """A bit for each layer that changes anything in here or below."""
        self._hidden_at: Mapping[str, Sequence[Hidden]] | None = None
        self._paths: Mapping[str, Sequence[Version]] | None = None

    def size(self, layer: int) -> int:
        """Bytes that can be seen in here and below when the stack ends with `layer`."""
        return sum(size for at, size in self.added.items() if at <= layer)

    def waste(self, layer: int) -> int:
        """Bytes in here and below that layers up to `layer` ship and nobody sees in the end."""
        return sum(size for (by, _), size in self.wasted.items() if by <= layer)

    def waste_of(self, layer: int) -> int:
        """Such bytes that `layer` itself ships or hides."""
        return sum(size for between, size in self.wasted.items() if layer in between)

    @property
    def hidden_at(self) -> Mapping[str, Sequence[Hidden]]:
        """By path, the hidden contents directly in here."""
        if self._hidden_at is None:
            found: dict[str, list[Hidden]] = {}
            for hidden in self.hidden:
                found.setdefault(hidden.entry.path, []).append(hidden)
            self._hidden_at = found
        return self._hidden_at

    def paths(
        self, version: Callable[[int, Entry], Version | None]
    ) -> Mapping[str, Sequence[Version]]:
        """The versions of each path directly in here, the lowest layer first, as `version` makes
        them of a layer's entry."""
        if self._paths is None:
            found: dict[str, list[Version]] = {}
            for layer, entries in self.shipped:
                for entry in entries:
                    made = version(layer, entry)
                    if made is not None:
                        found.setdefault(entry.path, []).append(made)
            self._paths = found
        return self._paths


class Timeline:
    """What the layers of a stack hold, over all of its height.

    Sums count a file with several names once, at a name that can be seen: those of the root
    are the account's.
    """

    def __init__(self, stack: Stack) -> None:
        self.top = len(stack) - 1
        """The highest layer; -1 where there is none."""
        self.folders: dict[str, Folder] = {"": Folder()}
        """By path: every directory that any layer ever had anything in."""
        self._union = stack.union
        self._ends = _ends(stack.union, self.top + 1)
        directories: dict[str, list[Version]] = {}
        for layer, listing in enumerate(stack.listings):
            self._enter(layer, listing, directories)
        self._enter_implicit(directories)
        self._touch_directories(directories)
        self._take_away()
        self._move_contents(stack.listings)
        self._sum_up()

    def inside(self, path: str) -> Mapping[str, Sequence[Version]]:
        """The versions of each path directly in a directory, the lowest layer first."""
        folder = self.folders.get(path)
        return {} if folder is None else folder.paths(self._version)

    def versions(self, path: str) -> Sequence[Version]:
        """All that ever was at a path, the lowest layer first."""
        return self.inside(path.rpartition("/")[0]).get(path, ())

    def hidden_inside(self, path: str) -> Mapping[str, Sequence[Hidden]]:
        """By path, the contents directly in a directory that cannot be seen in the end."""
        folder = self.folders.get(path)
        return {} if folder is None else folder.hidden_at

    def hidden(self, path: str) -> Sequence[Hidden]:
        """The contents at a path that cannot be seen in the end."""
        return self.hidden_inside(path.rpartition("/")[0]).get(path, ())

    def _version(self, layer: int, entry: Entry) -> Version | None:
        """None for what stands for nothing: a marker, or what its own layer has anew; and for
        the root, which is in no directory."""
        if not entry.path:
            return None
        until = self._ends[layer].get(id(entry))
        if until is None:
            until = self.top + 1
            seen = self._union.get(entry.path)
            # Nothing took it away: then it is still there, or never was.
            if seen is None or seen.entry is not entry:
                return None
        return Version(layer, until, entry)

    def _enter(self, layer: int, listing: Listing, directories: dict[str, list[Version]]) -> None:
        inside = defaultdict[str, list[Entry]](list)
        for entry in listing.entries:
            inside[entry.path.rpartition("/")[0]].append(entry)
        for path, entries in inside.items():
            folder = self.folders.get(path) or self._make(path)
            folder.shipped.append((layer, entries))
            size = sum([entry.size for entry in entries])
            folder.added[layer] += size
            if size or not all(entry.kind is _DIRECTORY or entry.is_marker for entry in entries):
                folder.touched |= 1 << layer
        for entry in [entry for entry in listing.entries if entry.kind is _DIRECTORY]:
            if (version := self._version(layer, entry)) and not entry.is_marker:
                directories.setdefault(entry.path, []).append(version)

    def _make(self, path: str) -> Folder:
        made = self.folders[path] = Folder()
        above = path.rpartition("/")[0]
        while above not in self.folders:
            self.folders[above] = Folder()
            above = above.rpartition("/")[0]
        return made

    def _enter_implicit(self, directories: dict[str, list[Version]]) -> None:
        """Directories that no entry makes."""
        known = {id(each.entry) for found in directories.values() for each in found}
        found = [
            (layer, entry)
            for entry, layer, *_ in self._union.covered
            if entry.kind is _DIRECTORY and id(entry) not in known and entry.path
        ]
        for path in self.folders:
            seen = self._union.get(path)
            if path and seen and seen.entry.kind is _DIRECTORY and id(seen.entry) not in known:
                found.append(seen)
        for layer, entry in found:
            version = self._version(layer, entry)
            if version is None:
                continue
            versions = directories.setdefault(entry.path, [])
            versions.append(version)
            versions.sort(key=_by_layer)
            shipped = self.folders[entry.parent].shipped
            shipped.append((layer, (entry,)))
            shipped.sort(key=_by_first)

    def _touch_directories(self, directories: Mapping[str, Sequence[Version]]) -> None:
        """A directory over one with the same mode and owner changes nothing by itself."""
        for path, versions in directories.items():
            folder = self.folders[path.rpartition("/")[0]]
            for before, after in zip([None, *versions], [*versions, None], strict=True):
                if not (before and after and before.until == after.layer and alike(before, after)):
                    folder.touched |= 1 << after.layer if after else 0
                    folder.touched |= 1 << before.until if before else 0

    def _take_away(self) -> None:
        """What is hidden, and what has gone from its own name, is no longer counted there."""
        folders = self.folders
        parted = {id(gone.entry) for gone in self._union.parted}
        for hidden in self._union.hidden:
            entry, layer, by, *_ = hidden
            folder, size = folders[entry.path.rpartition("/")[0]], entry.size
            folder.hidden.append(hidden)
            folder.wasted[layer, by] += size
            if id(entry) not in parted:
                folder.touched |= 1 << by
                folder.added[by] -= size
        for entry, _, by, *_ in self._union.parted:
            folder = folders[entry.path.rpartition("/")[0]]
            folder.touched |= 1 << by
            folder.added[by] -= entry.size
        for entry, _, by, *_ in self._union.covered:
            if entry.kind is not _DIRECTORY:
                folders[entry.path.rpartition("/")[0]].touched |= 1 << by

    def _move_contents(self, listings: Sequence[Listing]) -> None:
        """Count a content that outlives its file's own name at the name that lasts longest."""
        names: dict[int, Version] = {}
        for layer in {gone.layer for gone in self._union.parted}:
            for entry in listings[layer].entries:
                if entry.kind is not _HARDLINK or not (name := self._version(layer, entry)):
                    continue
                file = id(self._union.file_of(entry))
                if file not in names or names[file].until < name.until:
                    names[file] = name
        for entry, _, by, *_ in self._union.parted:
            name = names[id(entry)]
            added = self.folders[name.entry.parent].added
            added[by] += entry.size
            added[name.until] -= entry.size

    def _sum_up(self) -> None:
        for path in sorted(self.folders, reverse=True):  # what is in a directory before itself
            if not path:
                break
            folder, above = self.folders[path], self.folders[path.rpartition("/")[0]]
            above.touched |= folder.touched
            for layer, size in folder.added.items():
                above.added[layer] += size
            for between, size in folder.wasted.items():
                above.wasted[between] += size


def _ends(union: Union, layers: int) -> list[dict[int, int]]:
    """For each layer, by id() of those of its entries that lose their name: to whom."""
    ends: list[dict[int, int]] = [{} for _ in range(layers)]
    # A file's content may outlive its own name: what `parted` says is last, and counts.
    for gone in (union.covered, union.hidden, union.parted):
        for entry, layer, by, *_ in gone:
            ends[layer][id(entry)] = by
    return ends


def seen(versions: Sequence[Version], layer: int) -> Version | None:
    """The one of a path's versions that is there when the stack ends with `layer`."""
    for version in versions:
        if version.layer <= layer < version.until:
            return version
    return None


def alike(one: Version, other: Version) -> bool:
    """Whether one is the other, or both are directories with the same mode, owner and extended
    attributes."""
    a, b = one.entry, other.entry
    if a.kind is not _DIRECTORY or b.kind is not _DIRECTORY:
        return a is b
    return (a.mode, a.uid, a.gid, a.xattrs) == (b.mode, b.uid, b.gid, b.xattrs)


def _by_layer(version: Version) -> int:
    return version.layer


def _by_first(shipped: tuple[int, Sequence[Entry]]) -> int:
    return shipped[0]
