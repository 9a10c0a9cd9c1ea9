"""What the entries of one layer make: the rules of `layer.apply`, without a disk.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.layer.entry import OPAQUE_NAME, WHITEOUT_PREFIX, Entry, Kind

IMPLIED_MODE = 0o755
"""Of a directory that the tar has no entry for; it belongs to root."""


class LayerTree:
    """The files, directories and marks that a layer's entries make, in their order."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.makers: dict[str, Entry] = {}
        """Path → the entry that made the file there; for a hard link, that of its target."""
        self.implied: set[str] = {""}
        """Directories without an entry of their own."""
        self.whiteouts: set[str] = set()
        """Paths that this layer deletes from those below it."""
        self.opaque: set[str] = set()
        """Directories that hide what the layers below have in them."""
        markers: list[str] = []
        for entry in entries:
            self._imply(entry.parent)
            if entry.is_marker:
                markers.append(entry.path)
            else:
                self._add(entry)
        for marker in markers:
            self._mark(marker)

    def is_directory(self, path: str) -> bool:
        """Whether this layer has a directory at `path`."""
        if path in self.implied:
            return True
        maker = self.makers.get(path)
        return maker is not None and maker.kind is Kind.DIRECTORY

    def _imply(self, path: str) -> None:
        while path not in self.makers and path not in self.implied:
            self.implied.add(path)
            path = path.rpartition("/")[0]

    def _add(self, entry: Entry) -> None:
        path = entry.path
        if entry.kind is not Kind.DIRECTORY and self.is_directory(path):
            below = path + "/"
            self.makers = {k: v for k, v in self.makers.items() if not k.startswith(below)}
            self.implied = {k for k in self.implied if not k.startswith(below)}
        self.implied.discard(path)
        self.makers[path] = self.makers[entry.link] if entry.kind is Kind.HARDLINK else entry

    def _mark(self, marker: str) -> None:
        parent, slash, name = marker.rpartition("/")
        if not self.is_directory(parent):
            return
        hidden = name[len(WHITEOUT_PREFIX) :]
        path = parent + slash + hidden
        if name == OPAQUE_NAME:
            self.opaque.add(parent)
        elif not hidden or hidden.startswith(WHITEOUT_PREFIX):
            pass
        elif self.is_directory(path):
            self.opaque.add(path)
        elif path not in self.makers:
            self.whiteouts.add(path)
