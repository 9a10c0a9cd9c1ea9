"""The merged tree that the rules look at, with what several of them ask.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from lamina.layer.entry import Entry, Kind
from lamina.needs.packaged import Packaged
from lamina.needs.system import System


class ImageTree:
    """An image's files for the rules of `keep`: looked at once, whoever asks."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.files = system.files
        self.union = system.files.union

    @cached_property
    def packaged(self) -> Packaged:
        """Which file is of which system package."""
        return Packaged(self.files)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every path and what is there; without the root."""
        return {entry.path: entry for _, entry in self.union.walk()}

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """The paths of directories by their names."""
        found: dict[str, list[str]] = {}
        for path, entry in self.entries.items():
            if entry.kind is Kind.DIRECTORY:
                found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    @cached_property
    def all_folders(self) -> list[str]:
        """The paths of all directories, sorted."""
        return sorted(path for folders in self.folders.values() for path in folders)

    def is_directory(self, path: str) -> bool:
        """Whether a directory itself, and no link to one, is there."""
        entry = self.entries.get(path)
        return entry is not None and entry.kind is Kind.DIRECTORY

    def below(self, path: str, *, without: frozenset[str] = frozenset()) -> Iterator[str]:
        """Everything but directories below one, sorted; not what is in directories of the
        names `without`."""
        stack = [path]
        while stack:
            at = stack.pop()
            folders = []
            for name in self.union.children(at):
                child = f"{at}/{name}" if at else name
                if not self.is_directory(child):
                    yield child
                elif name not in without:
                    folders.append(child)
            stack.extend(reversed(folders))

    @cached_property
    def libraries(self) -> dict[str, list[str]]:
        """The paths of shared libraries, and of links to them, by the name without version."""
        found: dict[str, list[str]] = {}
        for path in self.entries:
            stem, shared, _ = path.rpartition("/")[2].partition(".so")
            if shared and stem.startswith("lib"):
                found.setdefault(stem, []).append(path)
        return found

    @cached_property
    def names_of(self) -> dict[str, list[str]]:
        """For each path of a file with several names: all of them."""
        names: dict[int, list[str]] = {}
        for path, entry in self.entries.items():
            if entry.kind is Kind.HARDLINK or entry.kind is Kind.FILE:
                content = self.union.content(path)
                if content is not None:
                    names.setdefault(id(content.entry), []).append(path)
        return {path: each for each in names.values() if len(each) > 1 for path in each}
