"""Which file belongs to which system package: dpkg's and apk's own records.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamina.layer.entry import Kind
from lamina.needs.files import Files

_DPKG = "var/lib/dpkg/info"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


class Packaged:
    """The files of system packages, by the places where they really lie."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._folders: dict[str, str] = {}
        self.members: dict[str, list[str]] = {}
        """Package → its files and links that are there, sorted."""
        self.records: dict[str, list[str]] = {}
        """Package → the files in which its manager notes what it is."""
        self._owner: dict[str, str] = {}
        for package, path in (*self._dpkg(), *self._apk()):
            if (place := self._place(path)) is not None:
                self.members.setdefault(package, []).append(place)
                self._owner.setdefault(place, package)
        for paths in self.members.values():
            paths.sort()

    @property
    def owner(self) -> Mapping[str, str]:
        """Path → the package that it is of."""
        return self._owner

    def _place(self, path: str) -> str | None:
        """Where a packaged path lies: through the links of the directories above it, which
        are many since /bin became one.  None for a directory, and for what is not there."""
        folder, _, name = path.rpartition("/")
        there = self._folders.get(folder)
        if there is None:
            there = self._folders[folder] = self._files.resolve(folder)
        place = f"{there}/{name}" if there else name
        found = self._files.union.get(place)
        if found is None or found.entry.kind is Kind.DIRECTORY:
            return None
        if found.entry.kind is Kind.SYMLINK and self._files.is_directory(place):
            return None
        return place

    def _dpkg(self) -> Iterator[tuple[str, str]]:
        for name in self._files.names(_DPKG):
            if name == "format":
                continue
            stem, _, kind = name.rpartition(".")
            package = stem.partition(":")[0]
            self.records.setdefault(package, []).append(f"{_DPKG}/{name}")
            if kind == "list":
                for line in self._files.text(f"{_DPKG}/{name}").splitlines():
                    yield package, line.strip("/")

    def _apk(self) -> Iterator[tuple[str, str]]:
        for path in _APK:
            package = folder = ""
            for line in self._files.text(path).splitlines():
                letter, _, value = line.partition(":")
                if letter == "P":
                    package, folder = value, ""
                elif letter == "F":
                    folder = value
                elif letter == "R" and package:
                    yield package, f"{folder}/{value}" if folder else value
            if package:
                return
