"""What the entries of one layer make, and which entries make a layer at all.  Pure.

One set of rules for whoever lays a layer out: as a directory (`apply`), as an
EROFS image (`erofs`), or not at all (checking what is stored).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from lamina.layer.entry import (
    MAX_NAME,
    MAX_PATH,
    OPAQUE_NAME,
    WHITEOUT_PREFIX,
    Entry,
    Kind,
    os_path,
)
from lamina.layer.errors import BadLayer

IMPLIED_MODE = 0o755
"""Of a directory that the tar has no entry for; it belongs to root."""
_MAX_SYMLINKS = 40
_MAX_MAJOR, _MAX_MINOR = 1 << 12, 1 << 20
_DIRECTORY, _HARDLINK, _SYMLINK = Kind.DIRECTORY, Kind.HARDLINK, Kind.SYMLINK
_DEVICES = (Kind.CHAR, Kind.BLOCK)


class Effects(Protocol):
    """Whoever lays the tree out as it grows; called before the tree itself changes."""

    def make_directory(self, path: str) -> None:
        """A directory is needed at `path`, whether it has an entry or is implied."""
        ...

    def drop(self, path: str, maker: Entry) -> None:
        """What `maker` made at `path`, no directory, gives way to a later entry."""
        ...

    def drop_directory(self, path: str) -> None:
        """The directory at `path`, empty by now, gives way to a later entry."""
        ...


class LayerTree:
    """The files, directories and marks that a layer's entries make, in their order.

    Names are clean already (`tar.clean_path`).  What is laid out by these paths goes
    under directories of this layer alone, and never through a symbolic link.
    """

    def __init__(self, entries: Iterable[Entry] = (), *, effects: Effects | None = None) -> None:
        self.makers: dict[str, Entry] = {}
        """Path → the entry that made the file there; for a hard link, that of its target."""
        self.directories: set[str] = {""}
        """Every directory, with an entry or without."""
        self.implied: set[str] = {""}
        """Directories without an entry of their own."""
        self.whiteouts: set[str] = set()
        """Paths that this layer deletes from those below it."""
        self.opaque: set[str] = set()
        """Directories that hide what the layers below have in them."""
        self._markers: dict[str, None] = {}
        self._effects = effects
        for entry in entries:
            self.add(entry)
        self.finish()

    def add(self, entry: Entry) -> Entry:
        """Take the next entry; returns it with its path as it lies in the tree.

        A parent that is a symbolic link of this layer is followed, as when a tar is
        extracted in place.  Raises BadLayer, naming the entry, for what would lead out
        of the layer or cannot be.
        """
        path = entry.path
        parent, _, name = path.rpartition("/")
        if parent not in self.directories:
            parent = self._walk(parent, path, make=True)
            path = f"{parent}/{name}" if parent else name
            if path != entry.path:
                _check_name(path, entry.path)
                entry = msgspec.structs.replace(entry, path=path)
        if name.startswith(WHITEOUT_PREFIX):
            if name[len(WHITEOUT_PREFIX) :] in (".", ".."):
                raise BadLayer(f"a whiteout of {name[len(WHITEOUT_PREFIX) :]!r}: {path!r}")
            self._markers[path] = None
            return entry
        check_entry(entry)
        if entry.kind is _DIRECTORY:
            self._directory(path)
            self.makers[path] = entry
            return entry
        if path in self.makers or path in self.directories:
            self._clear(path)
        if entry.kind is _HARDLINK:
            entry = self._hard_link(entry)
            self.makers[path] = self.makers[entry.link]
            return entry
        self.makers[path] = entry
        return entry

    def finish(self) -> None:
        """Fill `whiteouts` and `opaque`, after the last entry: markers speak of the layers
        below, so what this layer has itself stays, wherever in the tar it came."""
        for marker in self._markers:
            self._mark(marker)

    def _directory(self, path: str) -> None:
        if path in self.directories:
            self.implied.discard(path)
            return
        if path in self.makers:
            self._drop(path)
        self._make_directory(path)

    def _make_directory(self, path: str) -> None:
        if self._effects is not None:
            self._effects.make_directory(path)
        self.directories.add(path)

    def _hard_link(self, entry: Entry) -> Entry:
        """The entry that comes back has the target's path as it lies in the tree."""
        source = entry.link
        if source not in self.makers:
            parent, _, name = source.rpartition("/")
            parent = self._walk(parent, entry.path, make=False)
            source = f"{parent}/{name}" if parent else name
        if source in self.directories:
            raise BadLayer(f"{entry.path!r} is a hard link to a directory, {entry.link!r}")
        if source not in self.makers:
            raise BadLayer(f"{entry.path!r} is a hard link to {entry.link!r}, which is not there")
        return entry if source == entry.link else msgspec.structs.replace(entry, link=source)

    def _walk(self, parent: str, path: str, *, make: bool) -> str:
        """Follow `parent` component by component, through links that this layer made.

        A relative link that stays inside the layer is followed; an absolute one, or one
        that climbs out, is refused.  What is missing is implied, with `make`.
        """
        todo = parent.split("/")[::-1] if parent else []
        at = ""
        followed = 0
        while todo:
            name = todo.pop()
            if name == "..":
                if at == "":
                    raise BadLayer(f"{path!r} leads out of the layer through a symbolic link")
                at = at.rpartition("/")[0]
                continue
            if name in ("", "."):
                continue
            here = f"{at}/{name}" if at else name
            maker = self.makers.get(here)
            if here in self.directories:
                at = here
            elif maker is None:
                if make:
                    _check_name(here, path)
                    self._make_directory(here)
                    self.implied.add(here)
                at = here
            elif maker.kind is _SYMLINK:
                followed += 1
                if maker.link.startswith("/") or followed > _MAX_SYMLINKS:
                    raise BadLayer(
                        f"{path!r} leads out of the layer through the symbolic link {here!r}"
                    )
                todo.extend(maker.link.split("/")[::-1])
            else:
                raise BadLayer(f"{path!r} lies under {here!r}, which is not a directory")
        return at

    def _clear(self, path: str) -> None:
        """Make room for something that is no directory."""
        if path not in self.directories:
            self._drop(path)
            return
        below = path + "/"
        for each in [each for each in self.makers if each.startswith(below)]:
            if each not in self.directories:
                self._drop(each)
        inner = [each for each in self.directories if each.startswith(below)]
        for each in sorted((*inner, path), key=len, reverse=True):
            if self._effects is not None:
                self._effects.drop_directory(each)
            self.directories.discard(each)
            self.implied.discard(each)
            self.makers.pop(each, None)

    def _drop(self, path: str) -> None:
        maker = self.makers.pop(path)
        if self._effects is not None:
            self._effects.drop(path, maker)

    def _mark(self, marker: str) -> None:
        parent, slash, name = marker.rpartition("/")
        if parent not in self.directories:
            return
        hidden = name[len(WHITEOUT_PREFIX) :]
        path = parent + slash + hidden
        if name == OPAQUE_NAME:
            self.opaque.add(parent)
        elif not hidden or hidden.startswith(WHITEOUT_PREFIX):
            pass  # AUFS' own bookkeeping (.wh..wh.plnk), which layers of 2014 still carry
        elif path in self.directories:
            self.opaque.add(path)
        elif path not in self.makers:
            self.whiteouts.add(path)


def _check_name(path: str, origin: str) -> None:
    """Of names that come from a link in the layer: those of the tar were checked as it was read."""
    raw = os_path(path)
    longest = len(raw) - raw.rfind(b"/") - 1
    if longest > MAX_NAME or len(raw) >= MAX_PATH:
        raise BadLayer(f"{origin!r} leads through a symbolic link to a name that is too long")


def check_entry(entry: Entry) -> None:
    """Raise BadLayer for what no file of a layer may be, wherever it is put."""
    for name, _ in entry.xattrs:
        if name.startswith(("trusted.overlay.", "user.overlay.")):
            raise BadLayer(f"{entry.path!r} carries overlayfs' own attribute {name!r}")
    if entry.kind in _DEVICES:
        _check_device(entry)
    elif entry.kind is _SYMLINK and "\0" in entry.link:
        raise BadLayer(f"{entry.path!r} links to a name with a zero byte")


def _check_device(entry: Entry) -> None:
    major, minor = entry.device
    if entry.kind is Kind.CHAR and entry.device == (0, 0):
        raise BadLayer(f"{entry.path!r} is the device 0:0, which overlayfs reads as a deletion")
    if not (0 <= major < _MAX_MAJOR and 0 <= minor < _MAX_MINOR):
        raise BadLayer(f"{entry.path!r} is the device {major}:{minor}, which Linux cannot have")
