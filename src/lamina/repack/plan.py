"""Which layers of an image are made anew, and what is in them.  Pure.

A layer is `Kept`, with its diff_id and all that it holds, or `Made`: of one layer or of
several that follow each other, with what can be seen of them and the markers that what
lies below still needs.  Nothing that is hidden is in a layer that is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lamina.explain.inodes import Inodes
from lamina.layer.contract import Listing
from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind, directories_above
from lamina.layer.union import Cause, Union, implicit_directory
from lamina.oci.digest import Digest

_PLANNED = Digest.of(b"")
"""The diff_id of a listing whose tar nobody has written."""


class Span(NamedTuple):
    """Layers that become one, counted from 0, both ends included."""

    first: int
    last: int


class Kept(msgspec.Struct, frozen=True):
    """A layer that stays as it is."""

    layer: int
    """Counted from 0, the lowest."""
    listing: Listing


class Source(NamedTuple):
    """Where a content is read."""

    layer: int
    entry: Entry


class Made(msgspec.Struct, frozen=True):
    """A layer to be written."""

    span: Span
    """The layers that it replaces."""
    entries: tuple[Entry, ...]
    """In the order of its tar: sorted, so that a directory comes before what is in it."""
    contents: Mapping[str, Source]
    """By path, of each FILE that is not empty."""
    before: int
    """Bytes of content that the layers held which it replaces."""

    @property
    def listing(self) -> Listing:
        """As a listing, of a tar that there is not yet."""
        return Listing(_PLANNED, self.entries, 0)

    @property
    def bytes(self) -> int:
        """Bytes of content."""
        return sum(entry.size for entry in self.entries)


class Plan(msgspec.Struct, frozen=True):
    """The layers of the new image, the lowest first."""

    layers: tuple[Kept | Made, ...]
    """A span of which nothing is left has no layer; see `dropped`."""
    dropped: tuple[Made, ...] = ()
    """Those of which nothing is left: all of it was hidden."""

    @property
    def made(self) -> list[Made]:
        """Those that are written."""
        return [layer for layer in self.layers if isinstance(layer, Made)]

    @property
    def fates(self) -> list[Kept | Made]:
        """What becomes of all the old layers, those included of which nothing is left."""
        return sorted(
            (*self.layers, *self.dropped),
            key=lambda each: each.layer if isinstance(each, Kept) else each.span.first,
        )

    @property
    def saved(self) -> int:
        """Bytes of content that the new image has less."""
        return sum(each.before - each.bytes for each in (*self.made, *self.dropped))

    @property
    def changes(self) -> bool:
        """Whether the new image has other layers at all."""
        return bool(self.made or self.dropped)


def plan(
    listings: Sequence[Listing],
    union: Union,
    spans: Iterable[Span],
    *,
    removed: Collection[str] = frozenset(),
) -> Plan:
    """Make the layers of each span into one without its hidden bytes; the others stay.

    `union` is that of `listings`; the spans do not overlap.  What `removed` names, by its
    clean path, is left out as well; what is in a directory of these has to be named too, and
    no layer that has any of it may be kept.
    """
    starts = {span.first: span for span in spans}
    draft = _Draft(listings, union, removed)
    layer = 0
    while layer < len(listings):
        span = starts.get(layer)
        if span is None:
            draft.keep(layer)
            layer += 1
        else:
            draft.make(span)
            layer = span.last + 1
    return Plan(tuple(draft.layers), tuple(draft.dropped))


class _Draft:
    """The layers planned so far, and the paths that are in them."""

    def __init__(self, listings: Sequence[Listing], union: Union, removed: Collection[str]) -> None:
        self.layers: list[Kept | Made] = []
        self.dropped: list[Made] = []
        self._listings = listings
        self._union = union
        self._removed = removed
        self._inodes = Inodes(listings)
        self._present: set[str] = set()
        """Every path that a planned layer has, seen or not."""
        self._gone: dict[int, list[tuple[str, Cause, str]]] = {}
        """Layer → paths that it took out of the view: path, how, and what it was done to."""
        for records in (union.hidden, union.covered, union.parted):
            for entry, layer, by, cause, at in records:
                # What a layer superseded itself says nothing of the layers below it.
                if cause is not Cause.MERGED and layer != by:
                    self._gone.setdefault(by, []).append((entry.path, cause, at))

    def keep(self, layer: int) -> None:
        listing = self._listings[layer]
        self.layers.append(Kept(layer, listing))
        self._note(entry.path for entry in listing.entries)

    def make(self, span: Span) -> None:
        layers = range(span.first, span.last + 1)
        shown = self._shown(layers)
        above = directories_above(shown)
        markers = self._markers(layers, shown, above)
        directories = self._directories(
            layers, {*above, *directories_above(markers)} - shown.keys()
        )
        entries, contents = self._joined({**shown, **markers, **directories})
        before = sum(self._listings[layer].content_size for layer in layers)
        made = Made(span, entries, contents, before)
        if entries:
            self.layers.append(made)
            self._note(entry.path for entry in entries)
        else:
            self.dropped.append(made)

    def _note(self, paths: Iterable[str]) -> None:
        names = set(paths)
        self._present |= names | directories_above(names)

    def _shown(self, layers: range) -> dict[str, Source]:
        """What can be seen of these layers, by path."""
        found: dict[str, Source] = {}
        for at in (self._union.get(""), *self._union.walk()):
            if at is not None and at.layer in layers and at.entry.path not in self._removed:
                found[at.entry.path] = Source(*at)
        root = found.get("")
        if root is not None and root.entry == implicit_directory(""):
            del found[""]  # it is there in every tree
        return found

    def _markers(
        self, layers: range, shown: Mapping[str, Source], above: Collection[str]
    ) -> dict[str, Source]:
        """What these layers must say of what they delete from the layers planned below."""
        gone: set[str] = set()
        opaque: set[str] = set()
        for layer in layers:
            for path, cause, at in self._gone.get(layer, ()):
                if path in self._present:
                    gone.add(path)
                    if cause is Cause.OPAQUE and self._stays(at, shown, above):
                        opaque.add(at)
        for path in gone:
            # Made anew after it was deleted: nothing of the old one may come back in it.
            if path in shown and shown[path].entry.kind is Kind.DIRECTORY:
                opaque.add(path)
        names = [
            name
            for path in sorted(gone)
            if (name := self._marker(path, gone, opaque, shown, above)) is not None
        ]
        return {name: Source(layers[0], _marker(name)) for name in names}

    def _stays(self, path: str, shown: Mapping[str, Source], above: Collection[str]) -> bool:
        return path in above or (path in shown and shown[path].entry.kind is Kind.DIRECTORY)

    def _marker(
        self,
        path: str,
        gone: Collection[str],
        opaque: Collection[str],
        shown: Mapping[str, Source],
        above: Collection[str],
    ) -> str | None:
        """The marker that keeps what was at `path` gone; None when something else does."""
        at = path
        while at:
            at = at.rpartition("/")[0]
            if at in opaque:
                return f"{at}/{OPAQUE_NAME}" if at else OPAQUE_NAME
            if at in shown and shown[at].entry.kind is not Kind.DIRECTORY:
                return None
            if at in gone and at not in above and at not in shown:
                return None  # the marker of the directory does
        if path in shown or path in above:
            return None
        parent, slash, name = path.rpartition("/")
        return parent + slash + WHITEOUT_PREFIX + name

    def _directories(self, layers: range, paths: Collection[str]) -> dict[str, Source]:
        """The entries that the layers have for directories of others' metadata: a layer that
        is looked at alone keeps its own, and one without an entry gets none."""
        found: dict[str, Source] = {}
        for layer in layers:
            for entry in self._listings[layer].entries:
                if entry.kind is Kind.DIRECTORY and entry.path in paths:
                    found[entry.path] = Source(layer, entry)
        return found

    def _joined(self, found: Mapping[str, Source]) -> tuple[tuple[Entry, ...], dict[str, Source]]:
        """The entries in order, each content under the first of its names, and the contents."""
        entries: list[Entry] = []
        contents: dict[str, Source] = {}
        names: dict[int, str] = {}
        """By id() of what has the content, its first name here."""
        for path in sorted(found, key=lambda path: path.split("/")):
            layer, entry = found[path]
            inode = self._inodes.of(layer, entry)
            first = names.setdefault(id(inode), path)
            if first != path:
                entries.append(_link(path, first, inode))
                continue
            if inode.path != path:
                inode = msgspec.structs.replace(inode, path=path)
            entries.append(inode)
            if inode.size:
                contents[path] = Source(layer, self._inodes.of(layer, entry))
        return tuple(entries), contents


def _marker(path: str) -> Entry:
    return Entry(path, Kind.FILE, 0o644, 0, 0, 0, 0)


def _link(path: str, target: str, inode: Entry) -> Entry:
    return Entry(
        path,
        Kind.HARDLINK,
        inode.mode,
        inode.uid,
        inode.gid,
        0,
        inode.mtime,
        target,
        xattrs=inode.xattrs,
    )
