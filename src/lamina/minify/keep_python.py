"""What stays with a Python that is used: its library, and distributions whole.  Pure.

A module is often imported in a branch that no probe takes.  So the standard library stays
whole but for its tests, and so does every distribution of which a file was used, those that
it requires, and those whose modules are named in an `import` anywhere in what stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from lamina.minify.image_tree import ImageTree
from lamina.minify.reasons import Reason, Why

_LIBRARY = re.compile(r"((?:.*/)?lib(?:32|64)?/(?:python3(?:\.\d+t?)?|pypy3[^/]*))/(.*)")
_INTERPRETER = re.compile(r"((?:.*/)?)(?:s?bin)/(python3\.\d+t?)")
_SITES = ("site-packages", "dist-packages")
_TESTS = frozenset({"test", "tests", "idle_test"})
_INFO = re.compile(r"(.+?)(?:-[^-]+(?:-py[\d.]+)?)?\.(dist-info|egg-info)")
_IMPORT = re.compile(
    rb"^[ \t]*(?:>>> )?(?:from|import)[ \t]+([A-Za-z_]\w*)|import_module\(\s*[\"']([A-Za-z_]\w*)",
    re.M,
)
_REQUIRES = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)")
_NORMAL = re.compile(r"[-_.]+")
_LARGEST = 4 << 20


class Distribution(msgspec.Struct):
    """What one installed distribution brought."""

    name: str
    site: str
    info: str
    """The path of its metadata."""
    files: list[str]
    """As its RECORD has them; without one what is below its top-level names."""
    requires: list[str]
    """Normalized names."""


def site_of(path: str) -> tuple[str, str] | None:
    """The directory of third-party packages that a path is in, and the rest of the path."""
    for name in _SITES:
        head, found, rest = path.partition(f"/{name}/")
        if found and _LIBRARY.match(f"{head}/"):
            return f"{head}/{name}", rest
    return None


def is_library(path: str) -> bool:
    """Whether a path is in a directory of Python's own modules."""
    return _LIBRARY.fullmatch(path) is not None


class PythonRules:
    """The rules, with what they have found out about one image."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._libraries: set[str] = set()
        self._kept: set[str] = set()
        self._by_name: dict[str, list[Distribution]] = {}
        self._by_file: dict[str, Distribution] = {}
        self._by_top: dict[str, list[tuple[str, Distribution | None]]] = {}
        """Top-level module → where it is."""
        self._tops: dict[str, Distribution | None] = {}
        self._read()

    def __call__(self, path: str, why: Why) -> Iterator[tuple[str, Reason]]:
        """What stays because `path` does."""
        yield from self._library(path)
        found = site_of(path)
        if found is not None:
            yield from self._third_party(path, *found)
        # The standard library imports nothing that does not come with it.
        own = why in {Why.USED, Why.APPLICATION} and not is_library(path)
        if path.endswith(".py") and (found is not None or own):
            yield from self._imports(path)

    def named(self, name: str) -> Iterator[str]:
        """The files of the distributions of a name."""
        for each in self._by_name.get(_normal(name), ()):
            yield from each.files

    def _library(self, path: str) -> Iterator[tuple[str, Reason]]:
        if (found := _INTERPRETER.fullmatch(path)) is not None:
            library, rest = f"{found[1]}lib/{found[2]}", ""
        elif (found := _LIBRARY.fullmatch(path)) is not None:
            library, rest = found[1], found[2]
        else:
            return
        if rest.startswith(_SITES) or library in self._libraries:
            return
        self._libraries.add(library)
        for each in self._tree.below(library, without=_TESTS | frozenset(_SITES)):
            if not each.endswith(".a"):
                yield each, Reason(Why.LANGUAGE, library)

    def _third_party(self, path: str, site: str, rest: str) -> Iterator[tuple[str, Reason]]:
        distribution = self._by_file.get(path)
        top = f"{site}/{rest.partition('/')[0]}"
        if distribution is None:
            distribution = self._tops.get(top)
        if distribution is not None:
            yield from self._whole(distribution)
        elif top not in self._kept:
            self._kept.add(top)
            for each in self._tree.below(top):
                yield each, Reason(Why.DISTRIBUTION, rest.partition("/")[0])

    def _whole(self, distribution: Distribution) -> Iterator[tuple[str, Reason]]:
        todo = [distribution]
        while todo:
            each = todo.pop()
            if each.info in self._kept:
                continue
            self._kept.add(each.info)
            for path in each.files:
                yield path, Reason(Why.DISTRIBUTION, each.name)
            for name in each.requires:
                todo += self._by_name.get(name, ())

    def _imports(self, path: str) -> Iterator[tuple[str, Reason]]:
        for found in _IMPORT.finditer(self._tree.files.read(path, _LARGEST)):
            module = (found[1] or found[2]).decode()
            for top, distribution in self._by_top.get(module, ()):
                if distribution is not None:
                    yield from self._whole(distribution)
                elif top not in self._kept:
                    self._kept.add(top)
                    if self._tree.is_directory(top):
                        for each in self._tree.below(top):
                            yield each, Reason(Why.DISTRIBUTION, module)
                    else:
                        yield top, Reason(Why.DISTRIBUTION, module)

    # what is installed

    def _read(self) -> None:
        for name in _SITES:
            for site in self._tree.folders.get(name, ()):
                if site_of(f"{site}/x") is not None:
                    self._read_site(site)

    def _read_site(self, site: str) -> None:
        names = self._tree.union.children(site)
        found = [
            self._distribution(site, name, match[1])
            for name in names
            if (match := _INFO.fullmatch(name)) is not None
        ]
        tops: dict[str, list[Distribution]] = {}
        for each in found:
            self._by_name.setdefault(_normal(each.name), []).append(each)
            for path in each.files:
                self._by_file[path] = each
                if path.startswith(f"{site}/"):
                    top = path[len(site) + 1 :].partition("/")[0]
                    if each not in tops.setdefault(top, []):
                        tops[top].append(each)
        for name in names:
            owners = tops.get(name, [])
            top = f"{site}/{name}"
            owner = owners[0] if len(owners) == 1 else None
            if owner is not None:
                self._tops[top] = owner
                self._add_unrecorded(top, owner)
            module = name.partition(".")[0]
            for each_owner in owners if owners else (None,):
                self._by_top.setdefault(module, []).append((top, each_owner))

    def _add_unrecorded(self, top: str, owner: Distribution) -> None:
        """What lies in a distribution's own directory and is not in its RECORD: compiled
        modules, most of all."""
        if self._tree.is_directory(top):
            for path in self._tree.below(top):
                if path not in self._by_file:
                    self._by_file[path] = owner
                    owner.files.append(path)

    def _distribution(self, site: str, info: str, name: str) -> Distribution:
        place = f"{site}/{info}"
        files = self._tree.files
        record = files.text(f"{place}/RECORD")
        paths = [_joined(site, _first_field(line)) for line in record.splitlines()]
        here = [path for path in paths if path in self._tree.entries]
        if not here:
            tops = files.text(f"{place}/top_level.txt").split() or [
                name,
                name.replace("-", "_"),
                name.lower(),
            ]
            for top in dict.fromkeys(tops):
                if self._tree.is_directory(f"{site}/{top}"):
                    here += self._tree.below(f"{site}/{top}")
                elif f"{site}/{top}.py" in self._tree.entries:
                    here.append(f"{site}/{top}.py")
        here += self._tree.below(place) if self._tree.is_directory(place) else [place]
        return Distribution(name, site, place, list(dict.fromkeys(here)), self._requires(place))

    def _requires(self, place: str) -> list[str]:
        head = self._tree.files.text(f"{place}/METADATA").partition("\n\n")[0]
        lines = [
            line.partition(":")[2].strip()
            for line in head.splitlines()
            if line.lower().startswith("requires-dist:") and "extra ==" not in line
        ]
        for line in self._tree.files.text(f"{place}/requires.txt").splitlines():
            if line.startswith("["):
                break
            lines.append(line)
        return [_normal(found[0]) for line in lines if (found := _REQUIRES.match(line)) is not None]


def _normal(name: str) -> str:
    """A name as PyPA compares it."""
    return _NORMAL.sub("-", name).lower()


def _first_field(line: str) -> str:
    if line.startswith('"'):
        return line[1:].partition('",')[0].replace('""', '"')
    return line.split(",", 1)[0]


def _joined(site: str, path: str) -> str:
    """A path of a RECORD, which may go up from the directory that it is in."""
    parts = [] if path.startswith("/") else site.split("/")
    for name in path.split("/"):
        if name == "..":
            parts = parts[:-1]
        elif name not in ("", "."):
            parts.append(name)
    return "/".join(parts)
