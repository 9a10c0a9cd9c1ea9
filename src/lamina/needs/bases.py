"""Whether another base would hold what an image uses, and what the image would be on it.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from functools import cached_property

import msgspec

from lamina.explain.owners import Owners
from lamina.explain.stack import Stack
from lamina.needs.elf import Elf
from lamina.needs.linker import Linker
from lamina.needs.need import Kind, Need, Weight
from lamina.needs.packaged import Packaged
from lamina.needs.system import System
from lamina.needs.uses import CERTIFICATES, ZONES, Uses, locale_place

_NUMBERED = re.compile(r"([A-Za-z_+\-]*?)-?[0-9][0-9.]*")
"""`python3.11` → `python`."""
_INSTALL = {
    "apt-get": "apt-get update && apt-get install -y --no-install-recommends {}"
    " && rm -rf /var/lib/apt/lists/*",
    "apk": "apk add --no-cache {}",
}
_MANAGER_OF = {"dpkg": "apt-get", "apk": "apk"}


class Holding(Enum):
    """What a base has of a need."""

    HELD = "held"
    OTHER = "another version"
    COMES = "comes along"
    """The package manager installs it with the image's own packages."""
    MISSING = "missing"


class Answer(msgspec.Struct, frozen=True):
    """A need, and what one base has of it."""

    need: Need
    holding: Holding
    note: str = ""
    """What is there instead, or what of it is missing; a part of a sentence."""


class Judgement(msgspec.Struct, frozen=True):
    """One candidate, judged."""

    name: str
    base_bytes: int
    """Bytes of its visible tree."""
    bytes: int
    """What the image would be on it: its tree, the image's own files, and the packages that
    the image's own ones bring along there, these by what their manager says."""
    saves: int
    """Bytes less than now; below zero when it would be more."""
    from_name: str = ""
    """What FROM calls it; empty where it lies in no registry and no store."""
    impossible: str = ""
    """Why the image's own programs cannot run there at all; empty when they can."""
    answers: Sequence[Answer] = ()
    packages: tuple[str, ...] = ()
    """The packages that would bring what must be there, by the names of the present base."""
    perhaps: tuple[str, ...] = ()
    """Those that would bring what may be missed."""
    install: str = ""
    """The command that installs them there; empty when there are none, or no way is known."""
    package_bytes: int = 0
    """Installed, of `packages` and all that they need and nothing else brings there."""

    def with_(self, holding: Holding, *weights: Weight) -> list[Answer]:
        """The answers of a kind; of all weights where none is given."""
        return [
            each
            for each in self.answers
            if each.holding is holding and (not weights or each.need.weight in weights)
        ]

    @property
    def missing(self) -> list[Answer]:
        """What must be there and is not."""
        return self.with_(Holding.MISSING, Weight.MUST)

    @property
    def lacking(self) -> int:
        """How much of what must be there neither a known package brings nor, of users, a
        command of everywhere."""
        return sum(
            not (self.install and each.need.package in self.packages)
            for each in self.with_(Holding.MISSING, Weight.MUST, Weight.BUILD)
            if each.need.kind is not Kind.USER
        )

    @property
    def holds_all(self) -> bool:
        """Whether the image would work there, and could be built."""
        return not self.impossible and not self.with_(Holding.MISSING, Weight.MUST, Weight.BUILD)


def judge(uses: Uses, candidate: Stack) -> Judgement:
    """Hold what an image uses against a candidate.

    The base of `uses` itself, given as a candidate, holds everything.
    """
    return _Judge(uses, candidate).judgement()


def rank(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The best first: those that hold all, then those whose packages bring what they miss, by
    what is saved; then the others, by what they miss."""

    def key(each: Judgement) -> tuple[bool, bool, int, int, str]:
        saves = each.saves - (0 if each.holds_all else each.package_bytes)
        return bool(each.impossible), not each.holds_all, each.lacking, -saves, each.name

    return sorted(judgements, key=key)


class _Judge:
    def __init__(self, uses: Uses, candidate: Stack) -> None:
        self.uses = uses
        self.candidate = candidate
        self.system = System(candidate)
        self.packaged = Packaged(self.system.files)
        self.linker = Linker(self.system.files, uses.system.environment)

    def judgement(self) -> Judgement:
        base_bytes = self.candidate.account.visible_bytes
        size = base_bytes + self.uses.own.bytes + self._bytes_of(self._coming)
        told = Judgement(
            self.candidate.name, base_bytes, size, self.uses.stack.account.visible_bytes - size
        )
        impossible = self._impossible()
        if impossible:
            return msgspec.structs.replace(told, impossible=impossible)
        told = msgspec.structs.replace(told, answers=[self.answer(each) for each in self._asked()])
        packages = self._packages(told.with_(Holding.MISSING, Weight.MUST, Weight.BUILD))
        perhaps = self._packages(told.with_(Holding.MISSING, Weight.MAY))
        wanted = {*packages, *self.uses.own.base_packaged.needed_by(packages)} - self._coming
        return msgspec.structs.replace(
            told,
            packages=packages,
            perhaps=tuple(each for each in perhaps if each not in packages),
            install=self._install.format(" ".join(packages)) if packages else "",
            package_bytes=self._bytes_of(wanted),
        )

    def _impossible(self) -> str:
        """Why no program of the image could start there."""
        mine, theirs = self.uses.stack.config, self.candidate.config
        if mine is not None and theirs is not None:
            ours, other = mine.platform, theirs.platform
            if (ours.os, ours.architecture) != (other.os, other.architecture):
                return f"it is for {other}, and the image for {ours}"
        for need in self.uses.needs:
            if need.kind is Kind.LOADER and not self._has_loader(need):
                libc = "musl" if "ld-musl" in need.name else "glibc"
                machine = " for another machine" if self._libc == libc else ""
                return f"it has {self._libc}{machine}, and {need.by} is made for {libc}"
        return ""

    @cached_property
    def _libc(self) -> str:
        names = {*self.system.files.names("lib"), *self.system.files.names("lib64")}
        if any(each.startswith("ld-musl-") for each in names):
            return "musl"
        if any(each.startswith("ld-linux") for each in names):
            return "glibc"
        return "no dynamic loader"

    def _has_loader(self, need: Need) -> bool:
        elf = self.uses.system.files.elf(need.asker)
        there = self.system.files.elf(need.name)
        return elf is not None and there is not None and there.fits(elf)

    def _asked(self) -> Iterator[Need]:
        """The needs; packages only where they can be installed at all: elsewhere it is the
        package manager that is missing."""
        for need in self.uses.needs:
            if need.kind is not Kind.PACKAGE or self.packaged.manager:
                yield need

    @cached_property
    def _install(self) -> str:
        """How to add packages by the present base's names, `{}` for them; empty: no way."""
        manager = self.uses.own.base_packaged.manager
        if manager != self.packaged.manager or not manager:
            return ""
        program = _MANAGER_OF[manager]
        return _INSTALL[program] if self.system.command(program) is not None else ""

    def _packages(self, answers: Sequence[Answer]) -> tuple[str, ...]:
        """The packages that have what is asked for, each once; not those that are there in
        another version or were emptied, for to install them again would do nothing."""
        names = dict.fromkeys(each.need.package for each in answers)
        return tuple(each for each in names if each and each not in self.packaged.installed)

    @cached_property
    def _coming(self) -> set[str]:
        """The packages that the image's own ones bring along there."""
        if not self._install:
            return set()
        return {each for each in self.uses.installs if each not in self.packaged.provided}

    def _bytes_of(self, packages: Iterable[str]) -> int:
        """Of what would be installed there, as the present base's manager has it."""
        if not self._install:
            return 0
        base = self.uses.own.base_packaged.installed
        there = self.packaged.provided
        return sum(base[each].bytes for each in packages if each in base and each not in there)

    def answer(self, need: Need) -> Answer:
        """What the candidate has of a need."""
        found = self._answer(need)
        if found.holding is Holding.MISSING and need.packaged and need.weight is Weight.MUST:
            return Answer(need, Holding.COMES) if self._install else found
        return found

    def _answer(self, need: Need) -> Answer:
        if need.kind is Kind.LIBRARY:
            return self._library(need)
        if need.kind in (Kind.PROGRAM, Kind.SHELL, Kind.MANAGER):
            return self._program(need)
        if need.kind is Kind.USER:
            return self._user(need)
        if need.kind is Kind.PACKAGE:
            there = need.name in self.packaged.provided
            return Answer(need, Holding.HELD if there else self._or_comes(need))
        return Answer(need, Holding.HELD if self._has(need) else self._or_comes(need))

    def _or_comes(self, need: Need) -> Holding:
        """MISSING, unless the image's own packages bring it along."""
        if need.package in self.uses.installs and self._install:
            return Holding.COMES
        return Holding.MISSING

    def _has(self, need: Need) -> bool:
        if need.kind is Kind.LOADER:
            return self._has_loader(need)
        if need.kind is Kind.CERTIFICATES:
            return any(self.system.files.is_file(path) for path in CERTIFICATES)
        if need.kind is Kind.TIME_ZONE:
            return self.system.files.is_file(f"{ZONES}/{need.name}")
        return bool(locale_place(self.system, need.name)) or self._libc == "musl"

    def _library(self, need: Need) -> Answer:
        elf = self.uses.system.files.elf(need.asker)
        assert elf is not None, "whoever asks for a library is an ELF file"
        found = self.linker.find(need.name, elf, need.asker)
        there = self.system.files.elf(found[0]) if found else None
        if there is None:
            other = self._other_library(need, elf)
            return Answer(need, self._or_comes(need), f"there it is {other}" if other else "")
        lacking = [each for each in need.versions if each not in there.defines]
        # A library without versions satisfies them all; the loader only warns.
        if lacking and there.defines:
            return Answer(need, Holding.MISSING, f"is older there: it lacks {', '.join(lacking)}")
        return Answer(need, Holding.HELD)

    def _other_library(self, need: Need, elf: Elf) -> str:
        """A library of the same name and another version, beside the libraries that are there."""
        stem = need.name.partition(".so")[0] + ".so."
        for path in self.linker.find("libc.so.6", elf, need.asker):
            for name in self.system.files.names(path.rpartition("/")[0]):
                if name.startswith(stem) and name.count(".") == need.name.count("."):
                    return name
        return ""

    def _program(self, need: Need) -> Answer:
        found = self.system.command(need.name)
        if found is None:
            name = need.name.rpartition("/")[2]
            elsewhere = self.system.command(name) if "/" in need.name else None
            note = f"there it is /{elsewhere}" if elsewhere else ""
            return Answer(need, self._or_comes(need), note)
        mine = need.place.rpartition("/")[2]
        theirs = self.system.files.resolve(found).rpartition("/")[2]
        if mine == theirs:
            return Answer(need, Holding.HELD)
        if _stem(mine) and _stem(mine) == _stem(theirs):
            return Answer(need, Holding.OTHER, f"there it is {theirs}, here {mine}")
        return Answer(need, Holding.HELD, f"there it is {theirs}, here {mine}")

    def _user(self, need: Need) -> Answer:
        mine, theirs = Owners.of(self.uses.own.base).users, Owners.of(self.candidate).users
        number = next(uid for uid, name in mine.items() if name == need.name)
        other = next((uid for uid, name in theirs.items() if name == need.name), None)
        if other is None:
            return Answer(need, Holding.MISSING, f"its number here is {number}")
        if other != number:
            return Answer(need, Holding.OTHER, f"its number is {other} there, {number} here")
        return Answer(need, Holding.HELD)


def _stem(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return match[1] if match else ""
