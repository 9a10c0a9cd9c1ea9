"""The distribution's packages: which file is whose, and what each depends on.  Pure.

Read are dpkg's own records (var/lib/dpkg: `status`, `info/*.list`; `status.d` of images without
a package manager) and apk's (`lib/apk/db/installed`).  rpm keeps its lists in a database whose
headers are not read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from lamina.needs.files import Files

_STATUS = "var/lib/dpkg/status"
_PIECES = "var/lib/dpkg/status.d"
_INFO = "var/lib/dpkg/info"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_DEPENDS = ("pre-depends", "depends")
_GONE = ("not-installed", "config-files")


class Installed(msgspec.Struct, frozen=True):
    """A package of the distribution."""

    name: str
    version: str
    bytes: int
    """Installed, as its manager has it."""
    depends: tuple[tuple[str, ...], ...] = ()
    """For each thing that it depends on the names that would do, the first is preferred."""
    provides: tuple[str, ...] = ()


class Packaged:
    """The packages of one image."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._folders: dict[str, str] = {}

    @cached_property
    def manager(self) -> str:
        """`dpkg` or `apk`; empty when there is neither."""
        if self._files.is_file(_STATUS) or self._files.names(_PIECES):
            return "dpkg"
        return "apk" if any(self._files.is_file(path) for path in _APK) else ""

    @cached_property
    def installed(self) -> Mapping[str, Installed]:
        """The packages by name."""
        found = self._dpkg_packages() if self.manager == "dpkg" else self._apk_packages()
        return {each.name: each for each in found}

    @cached_property
    def provided(self) -> Mapping[str, str]:
        """Every name that satisfies a dependency → the package that has it."""
        names = {each: name for name, one in self.installed.items() for each in one.provides}
        return names | {name: name for name in self.installed}

    @cached_property
    def owner(self) -> Mapping[str, str]:
        """The place of a file or link → the package that it is of; directories are left out."""
        found: dict[str, str] = {}
        for package, places in self.members.items():
            for place in places:
                found.setdefault(place, package)
        return found

    @cached_property
    def members(self) -> Mapping[str, Sequence[str]]:
        """Package → the places of its files and links that are there, sorted."""
        found: dict[str, list[str]] = {}
        listed = self._dpkg_files() if self.manager == "dpkg" else self._apk_files()
        for package, path in listed:
            if (place := self.place(path)) is not None:
                found.setdefault(package, []).append(place)
        return {package: sorted(places) for package, places in found.items()}

    @cached_property
    def records(self) -> Mapping[str, Sequence[str]]:
        """Package → the files in which dpkg notes what it is."""
        found: dict[str, list[str]] = {}
        for name in self._files.names(_INFO):
            package = name.rpartition(".")[0].partition(":")[0]
            if package:
                found.setdefault(package, []).append(f"{_INFO}/{name}")
        return found

    def needed_by(self, names: Iterable[str]) -> dict[str, str]:
        """The packages that `names` depend on, these left out, at any depth → who asked first."""
        start = list(names)
        found: dict[str, str] = {}
        todo = start[::-1]
        while todo:
            name = todo.pop()
            package = self.installed.get(name)
            for alternatives in package.depends if package is not None else ():
                there = next((self.provided[x] for x in alternatives if x in self.provided), None)
                if there is not None and there not in found and there not in start:
                    found[there] = name
                    todo.append(there)
        return found

    def place(self, path: str) -> str | None:
        """Where a packaged path lies, through the links of the directories above it, which are
        many since /bin became one.  None for a directory, and for what is not there."""
        folder, _, name = path.strip("/").rpartition("/")
        there = self._folders.get(folder)
        if there is None:
            there = self._folders[folder] = self._files.resolve(folder)
        place = f"{there}/{name}" if there else name
        found = self._files.union.get(place)
        is_directory = self._files.is_directory(place) and self._files.resolve(place) == place
        return None if found is None or is_directory else place

    def _dpkg_packages(self) -> Iterator[Installed]:
        pieces = [each for each in self._files.names(_PIECES) if not each.endswith(".md5sums")]
        for path in (_STATUS, *(f"{_PIECES}/{each}" for each in pieces)):
            for paragraph in self._files.text(path).split("\n\n"):
                fields = _fields(paragraph)
                state = fields.get("status", "installed").split()[-1:]
                name, version = fields.get("package", ""), fields.get("version", "")
                if name and version and not (state and state[0] in _GONE):
                    yield Installed(
                        name,
                        version,
                        _number(fields.get("installed-size", "")) * 1024,
                        tuple(_relations(", ".join(fields.get(each, "") for each in _DEPENDS))),
                        tuple(
                            one for each in _relations(fields.get("provides", "")) for one in each
                        ),
                    )

    def _dpkg_files(self) -> Iterator[tuple[str, str]]:
        for name in self._files.names(_INFO):
            stem, _, kind = name.rpartition(".")
            if kind == "list":
                for line in self._files.text(f"{_INFO}/{name}").splitlines():
                    yield stem.partition(":")[0], line
        for name in self._files.names(_PIECES):
            if name.endswith(".md5sums"):
                for line in self._files.text(f"{_PIECES}/{name}").splitlines():
                    yield name.removesuffix(".md5sums"), line.partition("  ")[2]

    @cached_property
    def _apk_records(self) -> Sequence[str]:
        texts = (self._files.text(path) for path in _APK)
        return next((text for text in texts if text), "").split("\n\n")

    def _apk_packages(self) -> Iterator[Installed]:
        for record in self._apk_records:
            fields: dict[str, str] = {}
            for line in record.splitlines():
                letter, _, value = line.partition(":")
                fields.setdefault(letter, value.strip())
            if fields.get("P"):
                yield Installed(
                    fields["P"],
                    fields.get("V", ""),
                    _number(fields.get("I", "")),
                    tuple((_bare(each),) for each in fields.get("D", "").split() if each[0] != "!"),
                    tuple(_bare(each) for each in fields.get("p", "").split()),
                )

    def _apk_files(self) -> Iterator[tuple[str, str]]:
        for record in self._apk_records:
            package = folder = ""
            for line in record.splitlines():
                letter, _, value = line.partition(":")
                if letter == "P":
                    package = package or value
                elif letter == "F":
                    folder = value
                elif letter == "R" and package:
                    yield package, f"{folder}/{value}"


def _fields(paragraph: str) -> dict[str, str]:
    """The fields of a control paragraph, lower case; lines that go on are joined."""
    fields: dict[str, str] = {}
    last = ""
    for line in paragraph.splitlines():
        if line[:1].isspace():
            if last:
                fields[last] += line
            continue
        field, colon, value = line.partition(":")
        last = field.strip().lower() if colon else ""
        if last:
            fields[last] = value.strip()
    return fields


def _relations(text: str) -> Iterator[tuple[str, ...]]:
    """`a (>= 1), b | c:any` as names (Debian Policy 7.1); versions are left out."""
    for group in text.split(","):
        names = tuple(
            word[0].partition(":")[0] for each in group.split("|") if (word := each.split())
        )
        if names:
            yield names


def _bare(text: str) -> str:
    """`so:libz.so.1=1.3` without its version."""
    for at, letter in enumerate(text):
        if letter in "=<>~":
            return text[:at]
    return text


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
