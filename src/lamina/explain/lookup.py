"""The search for a path, from the top layer down, as overlayfs does it.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from enum import Enum

import msgspec

from lamina.errors import NotFound
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Located, Union


class PathNotFound(NotFound):
    """No layer has, or ever had, anything at the path."""

    def __init__(self, path: str, name: str, near: Sequence[str]) -> None:
        hint = f"similar there: {', '.join(near)}" if near else ""
        super().__init__(f"no layer of {name} has {path}", hint=hint)


class Barrier(Enum):
    """What in a layer ends the search below it."""

    WHITEOUT = "whiteout"
    OPAQUE = "opaque"
    OTHER_TYPE = "replaced"
    """Something that is no directory stands at a directory's place, or the reverse."""


class Step(msgspec.Struct, frozen=True):
    """What one layer has to say of a path."""

    layer: int
    entry: Entry | None
    """What it has there itself; of a directory that it implies, one with the usual mode."""
    size: int
    """Bytes: of the file, or of all files it has in the directory."""
    files: int
    """How many files it has in the directory."""
    barrier: Barrier | None
    at: str
    """Where the barrier stands: the path, or a directory above it."""
    reached: bool
    """Whether the search comes down to this layer."""
    shown: bool
    """Whether what the layer has is seen, or merged into what is seen."""
    elsewhere: str
    """Another name of a hidden file's content that can still be seen; empty when there is none."""


class Search(msgspec.Struct, frozen=True):
    """A search and its outcome."""

    asked: str
    """Clean, without the leading slash."""
    path: str
    """Where the links in `asked` lead."""
    found: Located | None
    steps: Sequence[Step]
    """The top layer first."""

    @property
    def is_directory(self) -> bool:
        """Whether a directory is found, or one was there that is deleted."""
        entry = self.found.entry if self.found is not None else None
        if entry is None:
            entry = next((step.entry for step in self.steps if step.entry is not None), None)
        return entry is not None and entry.kind is Kind.DIRECTORY

    @property
    def deleted_by(self) -> Step | None:
        """The step that hides what lower layers have; None when something is found."""
        if self.found is not None:
            return None
        return next((step for step in self.steps if step.barrier and step.reached), None)


def search(union: Union, path: str, *, name: str) -> Search:
    """Look `path` up in the layers of `union`; `name` is their image's, for errors.

    Links in the path are followed, the last one not.  Raises PathNotFound and LinkLoop.
    """
    listings = union.listings
    asked = "/".join(part for part in path.split("/") if part not in ("", "."))
    real = union.resolve(path, follow=False)
    views = [_View(Union.of([listing]), listing) for listing in listings]
    steps: list[Step] = []
    ended = False
    seen: Entry | None = None
    for layer in range(len(listings) - 1, -1, -1):
        step = _step(union, views[layer], layer, real, seen, ended=ended)
        steps.append(step)
        if step.shown and seen is None:
            seen = step.entry
        ended = ended or step.barrier is not None
        ended = ended or (step.entry is not None and step.entry.kind is not Kind.DIRECTORY)
    found = union.get(real)
    if found is None and all(step.entry is None for step in steps):
        raise PathNotFound("/" + asked, name, _near(union, real))
    return Search(asked, real, found, steps)


class _View:
    """One layer by itself, with its markers."""

    def __init__(self, tree: Union, listing: Listing) -> None:
        self.tree = tree
        self.gone = set[str]()
        self.opaque = set[str]()
        for entry in listing.entries:
            if (gone := entry.whiteout_of) is not None:
                self.gone.add(gone)
            elif entry.is_opaque_marker:
                self.opaque.add(entry.parent)

    def barrier(self, path: str, entry: Entry | None) -> tuple[Barrier | None, str]:
        """What hides the lower layers' `path`, the highest directory that it happens to first."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if above in self.gone:
                return Barrier.WHITEOUT, above
            if above in self.opaque:
                return Barrier.OPAQUE, above
            found = self.tree.get(above)
            if found is not None and found.entry.kind is not Kind.DIRECTORY:
                return Barrier.OTHER_TYPE, above
        if path in self.gone:
            return Barrier.WHITEOUT, path
        if path in self.opaque and entry is not None:
            return Barrier.OPAQUE, path
        return None, ""


def _step(
    union: Union, view: _View, layer: int, path: str, seen: Entry | None, *, ended: bool
) -> Step:
    located = view.tree.get(path)
    entry = located.entry if located else None
    size = files = 0
    if entry is not None and entry.kind is Kind.DIRECTORY:
        contents = [each for _, each in view.tree.walk(path) if each.kind is Kind.FILE]
        size, files = sum(each.size for each in contents), len(contents)
    elif entry is not None:
        content = view.tree.content(path)
        size = content.entry.size if content else 0
    barrier, at = view.barrier(path, entry)
    shown = entry is not None and not ended
    if shown and seen is not None and entry is not None and entry.kind is not Kind.DIRECTORY:
        # A directory above it: a file does not merge with that.
        shown = False
    elsewhere = "" if shown else _other_name(union, view.tree, path)
    return Step(layer, entry, size, files, barrier, at, not ended, shown, elsewhere)


def _other_name(union: Union, tree: Union, path: str) -> str:
    """A hard link to the layer's file at `path` that can be seen in `union`."""
    content = tree.content(path)
    if content is None:
        return ""
    for _, entry in tree.walk():
        other, seen = tree.content(entry.path), union.content(entry.path)
        if other and seen and other.entry is content.entry is seen.entry:
            return entry.path
    return ""


def _near(union: Union, path: str) -> list[str]:
    parent, _, name = path.rpartition("/")
    found = get_close_matches(name, union.children(parent), 3)
    return [f"/{parent}/{each}" if parent else f"/{each}" for each in found]
