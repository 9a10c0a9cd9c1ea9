"""Which files of an image are its own, and which are those of the base that it stands on.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cached_property

from lamina.explain.stack import Stack
from lamina.layer.entry import Kind
from lamina.needs.packaged import Packaged
from lamina.needs.system import System

RECORDS = (
    "var/lib/dpkg/",
    "lib/apk/",
    "usr/lib/apk/",
    "var/lib/apt/",
    "var/cache/",
    "usr/share/doc/",
)
"""What lies there a package manager makes, and runs if anybody does."""
_COMPILED = "/__pycache__/"


class Told(Enum):
    """How it is known what the base is."""

    LAYERS = "layers"
    """An image of the store has the lowest layers."""
    PACKAGES = "packages"
    """Not at all: the distribution's packages are taken to be the base."""
    LOWEST = "lowest"
    """Not at all: the lowest layer is taken to be the base."""
    WHOLE = "whole"
    """Not at all: there is one layer and no record of packages, so all of it is the base."""


class Own:
    """An image, divided into its base and its own."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.stack = system.stack
        self.packaged = Packaged(system.files)

    @cached_property
    def told(self) -> Told:
        if self.stack.base is not None:
            return Told.LAYERS
        if self.packaged.manager:
            return Told.PACKAGES
        return Told.LOWEST if len(self.stack) > 1 else Told.WHOLE

    @cached_property
    def first(self) -> int:
        """The lowest layer that is the image's own, counted from 0; of Told.PACKAGES and
        Told.WHOLE the base is not divided by layers, and this is the number of layers."""
        if self.stack.base is not None:
            return self.stack.base.layers
        return 1 if self.told is Told.LOWEST else len(self.stack)

    def has(self, path: str) -> bool:
        """Whether what is at a place (no links followed) is the image's own."""
        found = self.stack.union.get(path)
        if found is None:
            return False
        if self.told is Told.PACKAGES:
            return not (
                path in self.packaged.owner
                or path.startswith(RECORDS)
                or _source(path) in self.packaged.owner
            )
        return found.layer >= self.first

    @cached_property
    def base(self) -> Stack:
        """The layers of the base alone; without a division by layers the whole image."""
        return self.stack.lowest(self.first)

    @cached_property
    def base_packaged(self) -> Packaged:
        """The packages of the base."""
        if self.told in (Told.LAYERS, Told.LOWEST):
            return Packaged(System(self.base).files)
        return self.packaged

    @cached_property
    def packages(self) -> list[str]:
        """The distribution's packages that are not the base's, by name."""
        if self.base_packaged is self.packaged:
            return []
        return sorted(self.packaged.installed.keys() - self.base_packaged.installed.keys())

    @cached_property
    def bytes(self) -> int:
        """Bytes of visible content that are the image's own."""
        if self.told is not Told.PACKAGES:
            return sum(each.visible_bytes for each in self.stack.account.layers[self.first :])
        contents: dict[int, int] = {}
        for located in self.stack.union.walk():
            path = located.entry.path
            content = self.stack.union.content(path)
            if content is not None and self.has(path):
                contents[id(content.entry)] = content.entry.size
        return sum(contents.values())

    def programs(self) -> Iterator[str]:
        """Its own ELF files, and its own scripts that may be executed."""
        for located in self.stack.union.walk():
            entry = located.entry
            if entry.kind not in (Kind.FILE, Kind.HARDLINK) or entry.path.startswith(RECORDS):
                continue
            # A kernel object or a library need not be executable, a script must.
            may_start = bool(entry.mode & 0o111) or ".so" in entry.path
            if may_start and self.has(entry.path):
                files = self.system.files
                if files.elf(entry.path) is not None or files.shebang(entry.path) is not None:
                    yield entry.path


def _source(path: str) -> str:
    """The module that Python compiled into `path`; empty for what is no such file."""
    folder, mark, name = path.rpartition(_COMPILED)
    return f"{folder}/{name.partition('.')[0]}.py" if mark else ""
