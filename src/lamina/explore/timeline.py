"""From which layer to which there is anything each path: one pass for all layers.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lamina.explain.stack import Stack
from lamina.layer.entry import WHITEOUT_PREFIX, Entry, Kind
from lamina.layer.union import Hidden

_FILE, _DIRECTORY, _HARDLINK = Kind.FILE, Kind.DIRECTORY, Kind.HARDLINK


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

    __slots__ = ("_by_path", "added", "hidden", "involved", "touched", "versions", "wasted")

    def __init__(self) -> None:
        self.versions: list[Version] = []
        """Of all paths directly in it, the lowest layer first."""
        self.hidden: dict[str, list[Hidden]] = {}
        """By path, the contents directly in it that cannot be seen in the end."""
        self.added: dict[int, int] = {}
        """Layer → by how many bytes it makes what can be seen in here and below grow; past the
        highest all is taken away."""
        self.wasted: dict[int, int] = {}
        """Layer → bytes in here and below that it ships and nobody can see in the end."""
        self.involved: dict[int, int] = {}
        """Layer → such bytes that it ships or hides."""
        self.touched = 0
        """A bit for each layer that changes anything in here or below."""
        self._by_path: Mapping[str, Sequence[Version]] | None = None

    def size(self, layer: int) -> int:
        """Bytes that can be seen in here and below when the stack ends with `layer`."""
        return sum(size for at, size in self.added.items() if at <= layer)

    def waste(self, layer: int) -> int:
        """Bytes in here and below that layers up to `layer` ship and nobody sees in the end."""
        return sum(size for at, size in self.wasted.items() if at <= layer)

    @property
    def paths(self) -> Mapping[str, Sequence[Version]]:
        """The versions of each path directly in here, the lowest layer first."""
        if self._by_path is None:
            found: dict[str, list[Version]] = {}
            for version in self.versions:
                found.setdefault(version.entry.path, []).append(version)
            self._by_path = found
        return self._by_path


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
        self._links: list[Version] = []
        self._directories: dict[str, list[Version]] = {}
        ends = self._ends()
        for layer, listing in enumerate(stack.listings):
            self._enter(layer, listing.entries, ends[layer])
        self._enter_implicit()
        self._touch_directories()
        self._move_contents()
        self._sum_hidden()
        self._sum_up()

    def versions(self, path: str) -> Sequence[Version]:
        """All that ever was at a path, the lowest layer first."""
        folder = self.folders.get(path.rpartition("/")[0])
        return () if folder is None else folder.paths.get(path, ())

    def at(self, path: str, layer: int) -> Version | None:
        """What is at a path when the stack ends with `layer`."""
        return seen(self.versions(path), layer)

    def hidden(self, path: str) -> Sequence[Hidden]:
        """The contents at a path that cannot be seen in the end."""
        folder = self.folders.get(path.rpartition("/")[0])
        return () if folder is None else folder.hidden.get(path, ())

    def _ends(self) -> list[dict[int, int]]:
        """For each layer, by id() of those of its entries that lose their name: to whom."""
        ends: list[dict[int, int]] = [{} for _ in range(self.top + 1)]
        # A file's content may outlive its own name: what `parted` says is last, and counts.
        for gone in (self._union.covered, self._union.hidden, self._union.parted):
            for entry, layer, by, *_ in gone:
                ends[layer][id(entry)] = by
        return ends

    def _enter(self, layer: int, entries: Sequence[Entry], ends: Mapping[int, int]) -> None:
        never, born = self.top + 1, 1 << layer
        folder, here = self.folders[""], ""
        for entry in entries:
            path, kind, size = entry.path, entry.kind, entry.size
            parent = path.rpartition("/")[0]
            if parent != here:
                here, folder = parent, self.folders.get(parent) or self._make(parent)
            if not size and WHITEOUT_PREFIX in path and entry.is_marker:
                continue
            until = ends.get(id(entry), never)
            version = Version(layer, until, entry)
            if kind is _FILE:
                folder.touched |= born | 1 << until
                added = folder.added
                added[layer] = added.get(layer, 0) + size
                added[until] = added.get(until, 0) - size
            elif not path or (until > self.top and not self._stands(entry)):
                continue
            elif kind is _DIRECTORY:
                self._directories.setdefault(path, []).append(version)
            else:
                folder.touched |= born | 1 << until
                if kind is _HARDLINK:
                    self._links.append(version)
            folder.versions.append(version)

    def _stands(self, entry: Entry) -> bool:
        """Whether nothing later in its own layer took an entry's place."""
        seen = self._union.get(entry.path)
        return seen is not None and seen.entry is entry

    def _make(self, path: str) -> Folder:
        made = self.folders[path] = Folder()
        above = path.rpartition("/")[0]
        while above not in self.folders:
            self.folders[above] = Folder()
            above = above.rpartition("/")[0]
        return made

    def _enter_implicit(self) -> None:
        """Directories that no entry makes."""
        known = {id(each.entry) for found in self._directories.values() for each in found}
        found = [
            Version(layer, by, entry)
            for entry, layer, by, *_ in self._union.covered
            if entry.kind is _DIRECTORY and id(entry) not in known and entry.path
        ]
        for path in self.folders:
            seen = self._union.get(path)
            if path and seen and seen.entry.kind is _DIRECTORY and id(seen.entry) not in known:
                found.append(Version(seen.layer, self.top + 1, seen.entry))
        for version in found:
            path = version.entry.path
            for versions in (
                self._directories.setdefault(path, []),
                self.folders[path.rpartition("/")[0]].versions,
            ):
                versions.append(version)
                versions.sort(key=_by_layer)

    def _touch_directories(self) -> None:
        """A directory over one with the same mode and owner changes nothing by itself."""
        for path, versions in self._directories.items():
            folder = self.folders[path.rpartition("/")[0]]
            for before, after in zip([None, *versions], [*versions, None], strict=True):
                if not (before and after and before.until == after.layer and alike(before, after)):
                    folder.touched |= 1 << after.layer if after else 0
                    folder.touched |= 1 << before.until if before else 0

    def _move_contents(self) -> None:
        """Count a content that outlives its file's own name at the name that lasts longest."""
        if not self._union.parted:
            return
        names: dict[int, Version] = {}
        for link in self._links:
            file = self._union.file_of(link.entry)
            last = names.get(id(file))
            if last is None or last.until < link.until:
                names[id(file)] = link
        for entry, _, parted_by, *_ in self._union.parted:
            name = names[id(entry)]
            added = self.folders[name.entry.parent].added
            _add(added, parted_by, entry.size)
            _add(added, name.until, -entry.size)

    def _sum_hidden(self) -> None:
        for hidden in self._union.hidden:
            path, size = hidden.entry.path, hidden.entry.size
            folder = self.folders[path.rpartition("/")[0]]
            folder.hidden.setdefault(path, []).append(hidden)
            _add(folder.wasted, hidden.layer, size)
            _add(folder.involved, hidden.layer, size)
            if hidden.hidden_by != hidden.layer:
                _add(folder.involved, hidden.hidden_by, size)

    def _sum_up(self) -> None:
        for path in sorted(self.folders, reverse=True):  # what is in a directory before itself
            if not path:
                break
            folder, above = self.folders[path], self.folders[path.rpartition("/")[0]]
            above.touched |= folder.touched
            for layer, size in folder.added.items():
                _add(above.added, layer, size)
            for layer, size in folder.wasted.items():
                _add(above.wasted, layer, size)
            for layer, size in folder.involved.items():
                _add(above.involved, layer, size)


def _add(sums: dict[int, int], layer: int, size: int) -> None:
    sums[layer] = sums.get(layer, 0) + size


def seen(versions: Sequence[Version], layer: int) -> Version | None:
    """The one of a path's versions that is there when the stack ends with `layer`."""
    for version in versions:
        if version.layer <= layer < version.until:
            return version
    return None


def alike(one: Version, other: Version) -> bool:
    """Whether two directories have the same mode, owner and extended attributes."""
    a, b = one.entry, other.entry
    return (a.mode, a.uid, a.gid, a.xattrs) == (b.mode, b.uid, b.gid, b.xattrs)


def _by_layer(version: Version) -> int:
    return version.layer
