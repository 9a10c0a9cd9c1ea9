"""The packages in an image, read from the databases that package managers keep in it.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from lamina.errors import EngineError
from lamina.explain.package_records import (
    Package,
    apk_packages,
    dpkg_packages,
    npm_package,
    python_package,
)
from lamina.explain.rpm import rpm_packages
from lamina.explain.stack import Stack
from lamina.layer.union import Located

_DPKG = "var/lib/dpkg/status"
_DPKG_PIECES = "var/lib/dpkg/status.d"
"""A file for each package: images that have packages and no package manager."""
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RPM = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_RPM_SQLITE = "rpmdb.sqlite"
_RPM_OTHERS = {"Packages": "Berkeley DB", "Packages.db": "ndb"}
_PYTHON = (".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info")
_NPM = "/package.json"
_LARGEST = 1 << 29
"""Bytes of a database that is read: those of real systems have a tenth of it."""


class Inventory(msgspec.Struct, frozen=True):
    """What is installed, and what could not be read."""

    packages: list[Package]
    """Sorted: by manager, name, version."""
    notes: list[str]
    """A sentence for each database that was left out, and why."""


def packages(stack: Stack) -> list[Package]:
    """The packages in the merged tree; those that cannot be read are left out."""
    return inventory(stack).packages


def inventory(stack: Stack) -> Inventory:
    """The packages in the merged tree, and what could not be read."""
    reader = _Reader(stack)
    found = {*_dpkg(reader), *_apk(reader), *_rpm(reader), *_python(reader), *_npm(reader)}
    return Inventory(sorted(found), reader.notes)


class _Reader:
    """Reads files of the merged tree; what cannot be read becomes a note."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.notes: list[str] = []

    def resolve(self, path: str) -> str:
        """Where `path` leads; in a circle of links it leads nowhere."""
        try:
            return self._stack.union.resolve(path)
        except EngineError:
            return path

    def names(self, path: str) -> list[str]:
        return self._stack.union.children(self.resolve(path))

    def bytes(self, path: str) -> bytes | None:
        """The content; None when there is none."""
        found = self._stack.union.content(self.resolve(path))
        if found is None:
            return None
        if found.entry.size > _LARGEST:
            self.notes.append(f"/{path} is too large to be read")
            return None
        try:
            with self._stack.open(found.layer, found.entry) as file:
                return file.read()
        except (EngineError, OSError) as error:
            self.notes.append(f"/{path} cannot be read: {error}")
            return None

    def text(self, path: str) -> str:
        """The content as text; empty when there is none."""
        return (self.bytes(path) or b"").decode("utf-8", "surrogateescape")

    def ending(self, *suffixes: str) -> Iterator[str]:
        """The path of every file in the merged tree that ends so."""
        for layer, listing in enumerate(self._stack.listings):
            for entry in listing.entries:
                if entry.path.endswith(suffixes) and self._stack.union.get(entry.path) == Located(
                    layer, entry
                ):
                    yield entry.path


def _dpkg(reader: _Reader) -> Iterator[Package]:
    yield from dpkg_packages(reader.text(_DPKG), _DPKG)
    for name in reader.names(_DPKG_PIECES):
        if not name.endswith(".md5sums"):
            path = f"{_DPKG_PIECES}/{name}"
            yield from dpkg_packages(reader.text(path), path)


def _apk(reader: _Reader) -> Iterator[Package]:
    for path in _distinct(reader, _APK):
        yield from apk_packages(reader.text(path), path)


def _rpm(reader: _Reader) -> Iterator[Package]:
    for directory in _distinct(reader, _RPM):
        names = reader.names(directory)
        path = f"{directory}/{_RPM_SQLITE}"
        if _RPM_SQLITE in names:
            raw = reader.bytes(path)
            try:
                yield from rpm_packages(raw or b"", path)
            except EngineError as error:
                reader.notes.append(f"/{path}: {error}")
            continue
        for name, form in _RPM_OTHERS.items():
            if name in names:
                reader.notes.append(
                    f"/{directory}/{name} is a database of rpm in the form {form}:"
                    " its packages are not read"
                )


def _python(reader: _Reader) -> Iterator[Package]:
    for path in reader.ending(*_PYTHON):
        folder, _, name = path.rpartition("/")
        record = reader.text(f"{folder}/RECORD") if name == "METADATA" else ""
        package = python_package(reader.text(path), record, path)
        if package is not None:
            yield package


def _npm(reader: _Reader) -> Iterator[Package]:
    for path in reader.ending(_NPM):
        if _is_module(path.removesuffix(_NPM)):
            package = npm_package(reader.bytes(path) or b"", path)
            if package is not None:
                yield package


def _is_module(folder: str) -> bool:
    """Whether a directory is a module's own: `node_modules/x` or `node_modules/@scope/x`."""
    parts = folder.split("/")
    if len(parts) > 2 and parts[-2].startswith("@"):
        return parts[-3] == "node_modules"
    return len(parts) > 1 and parts[-2] == "node_modules"


def _distinct(reader: _Reader, paths: Iterable[str]) -> list[str]:
    """`paths` without those that lead where another one does."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(reader.resolve(path), path)
    return list(found.values())
