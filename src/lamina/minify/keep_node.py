"""What stays with a Node program: its packages whole, and those that they name.  Pure.

`require` in a branch that no probe takes finds what package.json says, and what the source
names: the whole directory of each package in use stays, and that of its dependencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from lamina.minify.image_tree import ImageTree
from lamina.minify.reasons import Reason, Why

_MODULES = "node_modules"
_GLOBAL = ("usr/share/nodejs", "usr/lib/nodejs")
"""Where Debian's node looks as well."""
_SOURCES = (".js", ".mjs", ".cjs", ".ts")
_NAMED = re.compile(
    rb"(?:\b(?:require|import|resolve)\s*\(\s*|\bfrom\s*|\bimport\s*)[\"'`](@?[A-Za-z0-9_][^\"'`\s]*)[\"'`]"
)
_LARGEST = 4 << 20
_KINDS = ("dependencies", "optionalDependencies", "peerDependencies")


def package_of(path: str) -> tuple[str, str] | None:
    """The directory of the package that a path is in, and its name."""
    head, found, rest = path.rpartition(f"{_MODULES}/")
    if found and (not head or head.endswith("/")):
        return _package(f"{head}{_MODULES}", rest)
    for place in _GLOBAL:
        if path.startswith(f"{place}/"):
            return _package(place, path[len(place) + 1 :])
    return None


def _package(place: str, rest: str) -> tuple[str, str] | None:
    parts = rest.split("/")
    name = "/".join(parts[: 2 if rest.startswith("@") else 1])
    return (f"{place}/{name}", name) if name and not name.startswith(".") else None


class NodeRules:
    """The rules, with what they have found out about one image."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._kept: set[str] = set()
        self._manifests: set[str] = set()

    def __call__(self, path: str, why: Why) -> Iterator[tuple[str, Reason]]:
        """What stays because `path` does."""
        package = package_of(path)
        if package is not None:
            yield from self._whole(*package)
        elif path.endswith(_SOURCES) and why in {Why.USED, Why.APPLICATION}:
            yield from self._application(path)

    def named(self, name: str) -> Iterator[str]:
        """The files of every copy of a package."""
        folders = (*self._tree.folders.get(_MODULES, ()), *_GLOBAL)
        for place in (f"{folder}/{name}" for folder in folders):
            if self._tree.is_directory(place):
                yield from self._tree.below(place, without=frozenset({_MODULES}))

    def _whole(self, place: str, name: str) -> Iterator[tuple[str, Reason]]:
        todo = [(place, name)]
        while todo:
            place, name = todo.pop()
            if place in self._kept:
                continue
            self._kept.add(place)
            if self._tree.is_directory(place):
                for each in self._tree.below(place, without=frozenset({_MODULES})):
                    yield each, Reason(Why.DISTRIBUTION, name)
                    if each.endswith(_SOURCES):
                        todo += self._named(each)
            else:  # a link to where it lies, as workspaces and pnpm have them; or one file
                yield place, Reason(Why.DISTRIBUTION, name)
                target = self._tree.files.find(place)
                if target is not None and target != place and self._tree.is_directory(target):
                    todo.append((target, name))
            todo += self._dependencies(place)

    def _application(self, path: str) -> Iterator[tuple[str, Reason]]:
        found = self._named(path)
        folder = path.rpartition("/")[0]
        while True:
            manifest = f"{folder}/package.json" if folder else "package.json"
            if manifest in self._tree.entries:
                if folder not in self._manifests:
                    self._manifests.add(folder)
                    yield manifest, Reason(Why.APPLICATION, folder)
                    found += self._dependencies(folder)
                break
            if not folder:
                break
            folder = folder.rpartition("/")[0]
        for place, name in found:
            yield from self._whole(place, name)

    def _named(self, path: str) -> list[tuple[str, str]]:
        folder = path.rpartition("/")[0]
        names = {
            found[1].decode("utf-8", "surrogateescape")
            for found in _NAMED.finditer(self._tree.files.read(path, _LARGEST))
        }
        short = {"/".join(name.split("/")[: 2 if name.startswith("@") else 1]) for name in names}
        places = ((self._resolve(folder, name), name) for name in sorted(short))
        return [(place, name) for place, name in places if place is not None]

    def _dependencies(self, folder: str) -> list[tuple[str, str]]:
        """The packages that the package.json of a directory names and that are there."""
        try:
            document: Any = msgspec.json.decode(self._tree.files.read(f"{folder}/package.json"))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return []
        if not isinstance(document, dict):
            return []
        names = {
            name
            for kind in _KINDS
            if isinstance(document.get(kind), dict)
            for name in document[kind]
        }
        places = ((self._resolve(folder, name), name) for name in sorted(names))
        return [(place, name) for place, name in places if place is not None]

    def _resolve(self, folder: str, name: str) -> str | None:
        """Where `require(name)` in a file of `folder` finds a package (Node, "Loading from
        node_modules folders")."""
        at = folder
        while True:
            if at.rpartition("/")[2] != _MODULES:
                place = f"{at}/{_MODULES}/{name}" if at else f"{_MODULES}/{name}"
                if place in self._tree.entries:
                    return place
            if not at:
                break
            at = at.rpartition("/")[0]
        for each in _GLOBAL:
            for suffix in ("", ".js"):
                if f"{each}/{name}{suffix}" in self._tree.entries:
                    return f"{each}/{name}{suffix}"
        return None
