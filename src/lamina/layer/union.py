"""Many layers as one tree: what a container of them sees, and what it cannot.  Pure.

The rules are those of overlayfs over the layers' trees (OCI image-spec,
layer.md, "Applying Changesets"):

* a whiteout deletes what *lower* layers have at its path and below; an opaque
  marker does so for everything in its directory.  Their place in the tar says
  nothing, and what their own layer has at the path stays;
* a directory over a directory merges, the upper one's metadata shows;
* anything else replaces what it covers, a directory with all that is in it;
* a path named twice in one tar: the later entry stands;
* a directory that no entry makes is there all the same (0755, root).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import repeat
from typing import NamedTuple

from lamina.errors import Invalid
from lamina.layer.contract import Listing
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind

_MAX_SYMLINKS = 40
_DIRECTORY, _FILE, _HARDLINK, _SYMLINK = Kind.DIRECTORY, Kind.FILE, Kind.HARDLINK, Kind.SYMLINK


class LinkLoop(Invalid):
    """Symbolic links that lead in a circle, or more of them than Linux follows."""


class Cause(Enum):
    """How a file came to be hidden."""

    OVERWRITTEN = "overwritten"
    """By a file with other content."""
    DUPLICATED = "duplicated"
    """By a file with the same content: only its metadata changed, or nothing."""
    DELETED = "deleted"
    """By a whiteout of it or of a directory above it."""
    OPAQUE = "opaque"
    """Its directory was made anew."""
    REPLACED = "replaced"
    """By something of another type, at its path or above it."""
    SUPERSEDED = "superseded"
    """By a later entry of its own layer; also content that came on a whiteout marker."""
    MERGED = "merged"
    """A directory under a directory: what is in it shows, its own mode and owner do not."""


class Located(NamedTuple):
    """An entry and the layer that has it."""

    layer: int
    """Place in the sequence of listings: 0 is the lowest."""
    entry: Entry


class Hidden(NamedTuple):
    """What is in a layer and nobody can see: a file's content, or an entry that has none."""

    entry: Entry
    """The FILE entry that holds the content; in `Union.covered`, the entry itself."""
    layer: int
    hidden_by: int
    """The layer that took its last visible name away."""
    cause: Cause
    at: str
    """The path that this was done to: the file's own, or a directory's above it."""

    @property
    def path(self) -> str:
        """Where it was."""
        return self.entry.path

    @property
    def size(self) -> int:
        """Bytes."""
        return self.entry.size


class _Content:
    """A file with several names in its layer."""

    __slots__ = ("file", "names")

    def __init__(self, file: Entry) -> None:
        self.file = file
        self.names = 1


class Union:
    """The merged view of layers.  Make one with `Union.of`; it does not change."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, Entry]] = {"": (0, implicit_directory(""))}
        self._children: dict[str, dict[str, None]] = {"": {}}
        self._linked: dict[int, _Content] = {}
        """By id() of every entry, FILE or HARDLINK, whose content has several names."""
        self._listings: tuple[Listing, ...] = ()
        """Kept, since an id() means its entry only while that lives."""
        self._hidden: list[Hidden] = []
        self._covered: list[Hidden] = []
        self._parted: list[Hidden] = []

    @classmethod
    def of(cls, listings: Sequence[Listing]) -> Union:
        """Merge layers, the lowest first."""
        union = cls()
        union._listings = tuple(listings)
        for layer, listing in enumerate(listings):
            _Layer(union, layer).apply(listing.entries)
        return union

    @property
    def listings(self) -> Sequence[Listing]:
        """The layers that it was made of, the lowest first."""
        return self._listings

    @property
    def hidden(self) -> Sequence[Hidden]:
        """Every file content that is shipped and cannot be seen, in the order of hiding."""
        return self._hidden

    @property
    def covered(self) -> Sequence[Hidden]:
        """Every entry without content of its own that cannot be seen: directories, links,
        devices, and a file's further names."""
        return self._covered

    @property
    def parted(self) -> Sequence[Hidden]:
        """Every FILE entry that lost its own name while its content had others: what became
        of the name, not of the content."""
        return self._parted

    def get(self, path: str) -> Located | None:
        """What is at a clean path, no link followed; None when nothing is."""
        found = self._found.get(path)
        return None if found is None else Located(*found)

    def content(self, path: str) -> Located | None:
        """The FILE entry whose bytes are read at `path`, through hard links; None for
        what has no content."""
        found = self._found.get(path)
        if found is None:
            return None
        layer, entry = found
        if entry.kind is _HARDLINK:
            linked = self._linked.get(id(entry))
            return None if linked is None else Located(layer, linked.file)
        return Located(layer, entry) if entry.kind is _FILE else None

    def file_of(self, entry: Entry) -> Entry | None:
        """The FILE entry whose content an entry of these layers names, itself or as a hard
        link; None for what has no content."""
        if entry.kind is _FILE:
            return entry
        linked = self._linked.get(id(entry))
        return linked.file if linked else None

    def children(self, path: str) -> list[str]:
        """The names in a directory, sorted; empty for anything else."""
        return sorted(child.rpartition("/")[2] for child in self._children.get(path, ()))

    def walk(self, path: str = "") -> Iterator[Located]:
        """Everything below `path`, itself not included, parents before children, siblings
        by name."""
        stack = sorted(self._children.get(path, ()), reverse=True)
        while stack:
            at = stack.pop()
            yield Located(*self._found[at])
            below = self._children.get(at)
            if below:
                stack.extend(sorted(below, reverse=True))

    def resolve(self, path: str, *, follow: bool = True) -> str:
        """The clean path that `path` leads to inside the root, as under chroot.

        Symbolic links are followed, also in the last component unless `follow`
        is False; `..` at the root stays there.  Components that do not exist
        are taken as they stand, so the result need not exist.  Raises LinkLoop.
        """
        todo = path.split("/")[::-1]
        at, links = "", 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                at = at.rpartition("/")[0]
                continue
            here = f"{at}/{name}" if at else name
            found = self._found.get(here)
            entry = found[1] if found else None
            if entry is not None and entry.kind is _SYMLINK and (follow or any(todo)):
                links += 1
                if links > _MAX_SYMLINKS:
                    raise LinkLoop(f"too many levels of symbolic links in {path!r}")
                if entry.link.startswith("/"):
                    at = ""
                todo.extend(entry.link.split("/")[::-1])
            else:
                at = here
        return at


def implicit_directory(path: str) -> Entry:
    """The directory that a layer needs and has no entry for."""
    return Entry(path, _DIRECTORY, 0o755, 0, 0, 0, 0)


class _Layer:
    """One layer, being laid over a union."""

    def __init__(self, union: Union, layer: int) -> None:
        self.union = union
        self.layer = layer
        self.found = union._found
        self.children = union._children

    def apply(self, entries: Sequence[Entry]) -> None:
        changes, markers = _divided(entries)
        if any(entry.kind is _HARDLINK for entry in changes.values()):
            self.join(entries)
        parents = [path.rpartition("/")[0] for path in changes]
        standing: Sequence[Entry] = markers
        lost: Sequence[Entry] = ()
        if len(changes) + len(markers) < len(entries) or _has_conflict(changes, parents, markers):
            changes, lost, standing = _settle(entries)
            parents = [path.rpartition("/")[0] for path in changes]
        for marker in standing:
            self.mark(marker)
        for marker in standing:
            if marker.parent not in self.children:
                self.make_directory(marker.parent)
        self.lay_all(changes, parents)
        for entry in lost:
            self.release(entry, self.layer, Cause.SUPERSEDED, entry.path)
        for marker in markers:
            if marker.kind is _FILE and marker.size:
                self.release(marker, self.layer, Cause.SUPERSEDED, marker.path)

    def lay_all(self, changes: Mapping[str, Entry], parents: Sequence[str]) -> None:
        """`lay` for every path.  Most are new, and these are entered all at once: which
        directory comes first makes no difference, for no path of a layer contradicts another."""
        found, children, layer = self.found, self.children, self.layer
        known = changes.keys() & found.keys()
        for path in [path for path in changes if path in known] if known else ():
            self.lay(path, changes[path])
        found.update(zip(changes, zip(repeat(layer), changes.values(), strict=False), strict=False))
        for path, entry in changes.items():
            if entry.kind is _DIRECTORY and path not in children:
                children[path] = {}
        last, siblings = "", children[""]
        for path, parent in zip(changes, parents, strict=True):
            if parent != last:
                last, siblings = parent, children.get(parent) or self.siblings(parent)
            siblings[path] = None
        children[""].pop("", None)  # the root is in no directory

    def siblings(self, parent: str) -> dict[str, None]:
        """What is in a directory, which is made where it is missing."""
        found = self.children.get(parent)
        return self.make_directory(parent) if found is None else found

    def join(self, entries: Sequence[Entry]) -> None:
        """Know which entries share one content; a link means the entry before it."""
        linked = self.union._linked
        latest: dict[str, Entry] = {}
        for entry in entries:
            if entry.kind is _HARDLINK:
                target = latest.get(entry.link)
                content = linked.get(id(target))
                if content is None and target is not None and target.kind is _FILE:
                    content = linked[id(target)] = _Content(target)
                if content is not None:
                    content.names += 1
                    linked[id(entry)] = content
            latest[entry.path] = entry

    def mark(self, marker: Entry) -> None:
        parent, slash, name = marker.path.rpartition("/")
        if name == OPAQUE_NAME:
            for child in list(self.children.get(parent, ())):
                self.drop(child, Cause.OPAQUE, parent)
        elif name != WHITEOUT_PREFIX and not name.startswith(WHITEOUT_PREFIX * 2):
            # (.wh..wh.* else are AUFS' own records, which mean nothing here.)
            gone = parent + slash + name[len(WHITEOUT_PREFIX) :]
            if gone in self.found and gone:
                self.drop(gone, Cause.DELETED, gone)

    def lay(self, path: str, entry: Entry) -> None:
        """Put `entry` over what is there."""
        before = self.found[path]
        if entry.kind is _DIRECTORY and before[1].kind is _DIRECTORY:
            self.cover_entry(before, Cause.MERGED, path)
            self.found[path] = (self.layer, entry)
            return
        if before[1].kind is _DIRECTORY:
            self.drop(path, Cause.REPLACED, path)
            self.enter(path)
        else:
            self.release_at(before, self.change(before, entry), path)
        self.found[path] = (self.layer, entry)
        if entry.kind is _DIRECTORY:
            self.children[path] = {}

    def change(self, before: tuple[int, Entry], entry: Entry) -> Cause:
        """What laying `entry` over the file `before` does to it."""
        old, new = self.union.file_of(before[1]), self.union.file_of(entry)
        if old is None or new is None:
            return Cause.REPLACED
        same = old.size == new.size and old.sha256 == new.sha256 and bool(new.sha256)
        return Cause.DUPLICATED if same else Cause.OVERWRITTEN

    def enter(self, path: str) -> None:
        """Let the directory of `path` know it, made first where it is missing."""
        parent = path.rpartition("/")[0]
        siblings = self.children.get(parent)
        if siblings is None:
            siblings = self.make_directory(parent)
        siblings[path] = None

    def make_directory(self, path: str) -> dict[str, None]:
        """The directory and those above it that are missing, which may be deeper than calls go."""
        missing: list[str] = []
        while (children := self.children.get(path)) is None:
            missing.append(path)
            path = path.rpartition("/")[0]
        for each in reversed(missing):
            before = self.found.get(each)
            if before is not None:
                self.release_at(before, Cause.REPLACED, each)
            children[each] = None
            self.found[each] = (self.layer, implicit_directory(each))
            children = self.children[each] = {}
        return children

    def drop(self, path: str, cause: Cause, place: str) -> None:
        """Take `path` and all below it out of the view, for what happens to `place`."""
        self.children[path.rpartition("/")[0]].pop(path, None)
        stack = [path]
        while stack:
            at = stack.pop()
            self.release_at(self.found.pop(at), cause, place)
            stack.extend(self.children.pop(at, ()))

    def release_at(self, found: tuple[int, Entry], cause: Cause, place: str) -> None:
        layer, entry = found
        if entry.kind is _FILE or entry.kind is _HARDLINK:
            self.release(entry, layer, cause, place)
        if entry.kind is not _FILE:
            self.cover_entry(found, cause, place)

    def cover_entry(self, found: tuple[int, Entry], cause: Cause, place: str) -> None:
        layer, entry = found
        self.union._covered.append(Hidden(entry, layer, self.layer, cause, place))

    def release(self, entry: Entry, layer: int, cause: Cause, place: str) -> None:
        """One name of a content has gone; with the last one the content is hidden."""
        linked = self.union._linked.get(id(entry)) if self.union._linked else None
        if linked is not None:
            linked.names -= 1
            if linked.names:
                if entry.kind is _FILE:
                    gone = Hidden(entry, layer, self.layer, cause, place)
                    self.union._parted.append(gone)
                return
            entry = linked.file
        elif entry.kind is _HARDLINK:
            return
        self.union._hidden.append(Hidden(entry, layer, self.layer, cause, place))


def _divided(entries: Sequence[Entry]) -> tuple[dict[str, Entry], list[Entry]]:
    """What a layer has by its path, the last entry of each, and its markers."""
    changes = {entry.path: entry for entry in entries}
    if WHITEOUT_PREFIX not in "\0".join(changes):
        return changes, []
    markers = [entry for entry in entries if WHITEOUT_PREFIX in entry.path and entry.is_marker]
    for marker in markers:
        changes.pop(marker.path, None)
    return changes, markers


def _has_conflict(
    changes: Mapping[str, Entry], parents: Sequence[str], markers: Sequence[Entry]
) -> bool:
    """Whether a layer has something below a path that is no directory in it."""
    seen: set[str] = {""}
    for parent in {*parents, *(marker.parent for marker in markers)}:
        above = parent
        while above not in seen:
            entry = changes.get(above)
            if entry is not None and entry.kind is not _DIRECTORY:
                return True
            seen.add(above)
            above = above.rpartition("/")[0]
    return False


def _settle(
    entries: Sequence[Entry],
) -> tuple[dict[str, Entry], list[Entry], list[Entry]]:
    """What is left of a layer whose entries replace each other, the files that are not, and
    the markers that stand: one goes with its directory, when a later entry replaces that."""
    live: dict[str, Entry] = {}
    markers: dict[str, Entry] = {}
    lost: list[Entry] = []
    inside: dict[str, set[str]] = {"": set()}

    def discard(path: str) -> None:
        stack = [path]
        while stack:
            at = stack.pop()
            markers.pop(at, None)
            gone = live.pop(at, None)
            if gone is not None and gone.kind in (_FILE, _HARDLINK):
                lost.append(gone)
            stack.extend(inside.pop(at, ()))

    for entry in entries:
        path = parent = entry.path
        while parent:
            child, parent = parent, parent.rpartition("/")[0]
            above = live.get(parent)
            if above is not None and above.kind is not _DIRECTORY:
                discard(parent)
            if child in inside.setdefault(parent, set()):
                break
            inside[parent].add(child)
        if entry.is_marker:
            markers[path] = entry
            continue
        before = live.get(path)
        if not (entry.kind is _DIRECTORY and (before is None or before.kind is _DIRECTORY)):
            discard(path)
        elif before is None and path not in inside:
            inside[path] = set()
        live[path] = entry
    return live, lost, list(markers.values())
