"""Where the dynamic loader of an image finds libraries: ld.so(8), or musl's.  Pure.

The order is that of the loaders: glibc takes DT_RPATH of the object and of those that loaded
it (unless the object has a RUNPATH), LD_LIBRARY_PATH, RUNPATH, the directories of ld.so.conf,
its own; musl LD_LIBRARY_PATH, either path of the object and its loaders, then its path file or
its own.  A library for another machine is passed over.  ld.so.cache is taken to hold what
ldconfig would write into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from lamina.needs.elf import Elf
from lamina.needs.files import Files

_TUPLES: Mapping[str, tuple[str, ...]] = {
    "386": ("i386-linux-gnu",),
    "amd64": ("x86_64-linux-gnu",),
    "arm": ("arm-linux-gnueabihf", "arm-linux-gnueabi"),
    "arm64": ("aarch64-linux-gnu",),
    "loong64": ("loongarch64-linux-gnu",),
    "ppc64le": ("powerpc64le-linux-gnu",),
    "riscv64": ("riscv64-linux-gnu",),
    "s390x": ("s390x-linux-gnu",),
}
"""Debian's directories of libraries, by architecture."""
_MUSL = ("lib", "usr/local/lib", "usr/lib")
_MUSL_ITSELF = re.compile(r"libc(\.musl-[^/]*)?\.so(\.1)?|lib(m|pthread|rt|dl|util|xnet|crypt)\.so")
"""Libraries that musl's loader is itself."""
_ORIGIN = re.compile(r"\$(\{ORIGIN\}|ORIGIN\b)")
_LIB = re.compile(r"\$(\{LIB\}|LIB\b)")
_HWCAPS = "glibc-hwcaps"
_DEEPEST_CONF = 10
_MOST_STATES = 10_000


class Link(msgspec.Struct, frozen=True):
    """A library that an object asks for."""

    name: str
    """As DT_NEEDED has it."""
    by: str
    """The object's path."""
    paths: tuple[str, ...]
    """As the loader opens it, the copies for better processors after it; empty: not there."""


class Linker:
    """The loader of one image, with the environment that its containers start with."""

    def __init__(self, files: Files, environment: Mapping[str, str] | None = None) -> None:
        self._files = files
        given = (environment or {}).get("LD_LIBRARY_PATH", "")
        self._given = tuple(each for each in re.split("[:;]", given) if each)
        self._links: dict[tuple[str, tuple[str, ...]], Sequence[Link]] = {}
        self._found: dict[tuple[str, str, tuple[str, ...], bool], tuple[str, ...]] = {}

    def links(self, path: str) -> list[Link]:
        """The libraries that the ELF file at `path` asks for; and where a DT_RPATH is handed
        on to them, what they ask for in turn."""
        found: dict[Link, None] = {}
        todo: list[tuple[str, tuple[str, ...]]] = [(path, ())]
        seen = set(todo)
        while todo and len(seen) < _MOST_STATES:
            at, inherited = todo.pop()
            elf = self._files.elf(at)
            if elf is None:
                continue
            passed = tuple(dict.fromkeys((*self._rpath(elf, at), *inherited)))
            for link in self._direct(at, elf, inherited):
                found[link] = None
                for each in link.paths if passed else ():
                    if (each, passed) not in seen:
                        seen.add((each, passed))
                        todo.append((each, passed))
        return list(found)

    def _direct(self, at: str, elf: Elf, inherited: tuple[str, ...]) -> Sequence[Link]:
        """What one object asks for itself."""
        known = self._links.get((at, inherited))
        if known is None:
            known = [Link(name, at, self.find(name, elf, at, inherited)) for name in elf.needed]
            self._links[at, inherited] = known
        return known

    def find(self, name: str, elf: Elf, at: str, inherited: Sequence[str] = ()) -> tuple[str, ...]:
        """Where `name` is found for the object `elf` at the path `at`; `inherited` are the
        directories of DT_RPATH of those that loaded it."""
        if "/" in name:
            path = self._expanded(name, elf, at)[0].strip("/")
            return (path,) if self._files.is_file(path) else ()
        musl = self.is_musl(elf)
        if musl and _MUSL_ITSELF.fullmatch(name):
            return self._musl_loader
        own = tuple(self._rpath(elf, at))
        before, after = ((), (*own, *inherited)) if musl else ((*own, *inherited), ())
        if elf.runpath and not musl:
            before, after = (), tuple(self._all_expanded(elf.runpath, elf, at))
        key = (name, elf.architecture + str(elf.bits), (*before, "", *after), musl)
        if key not in self._found:
            places = (*before, *self._given, *after, *self._usual(elf, musl))
            self._found[key] = self._search(name, elf, places)
        return self._found[key]

    def is_musl(self, elf: Elf) -> bool:
        """Whether musl's loader loads an object: its own, or the only one of the image."""
        if elf.interpreter:
            return "ld-musl" in elf.interpreter
        for name in elf.needed:
            if name.startswith("libc."):
                return name != "libc.so.6"
        return bool(self._musl_loader) and not self._files.is_file("etc/ld.so.conf")

    def _search(self, name: str, elf: Elf, places: Sequence[str]) -> tuple[str, ...]:
        for place in dict.fromkeys(each.strip("/") for each in places):
            paths = [f"{place}/{name}" if place else name]
            hwcaps = f"{place}/{_HWCAPS}"
            paths += [f"{hwcaps}/{each}/{name}" for each in self._files.names(hwcaps)]
            fitting = tuple(each for each in paths if self._fits(each, elf))
            if fitting:
                return fitting
        return ()

    def _fits(self, path: str, elf: Elf) -> bool:
        found = self._files.elf(path)
        return found is not None and found.fits(elf)

    def _rpath(self, elf: Elf, at: str) -> Iterator[str]:
        """The directories that an object hands on to what it loads."""
        if self.is_musl(elf):
            yield from self._all_expanded(elf.runpath or elf.rpath, elf, at)
        elif not elf.runpath:
            yield from self._all_expanded(elf.rpath, elf, at)

    def _all_expanded(self, texts: Sequence[str], elf: Elf, at: str) -> Iterator[str]:
        for text in texts:
            yield from self._expanded(text, elf, at)

    def _expanded(self, text: str, elf: Elf, at: str) -> list[str]:
        """A path with `$ORIGIN` and `$LIB` put in; `$LIB` has several meanings."""
        if "$" not in text:
            return [text]
        # Through its links, or `$ORIGIN/..` would make ever longer paths of one directory.
        origin = "/" + self._files.resolve(at.rpartition("/")[0])
        text = _ORIGIN.sub(lambda _: origin, text)
        if not _LIB.search(text):
            return [text]
        tuples = _TUPLES.get(elf.architecture, ())
        return [
            _LIB.sub(lambda _, to=lib: to, text)  # type: ignore[misc]
            for lib in (*(f"lib/{each}" for each in tuples), "lib64", "lib")
        ]

    def _usual(self, elf: Elf, musl: bool) -> Sequence[str]:
        """Where every program's libraries are looked for."""
        if musl:
            return self._musl_places
        places = [*self._configured]
        for each in _TUPLES.get(elf.architecture, ()):
            places += [f"lib/{each}", f"usr/lib/{each}"]
        places += ["lib64", "usr/lib64"] if elf.bits == 64 else ["lib32", "usr/lib32"]
        return [*places, "lib", "usr/lib"]

    @cached_property
    def _musl_loader(self) -> tuple[str, ...]:
        names = self._files.names("lib")
        return tuple(f"lib/{each}" for each in names if each.startswith("ld-musl-"))[:1]

    @cached_property
    def _musl_places(self) -> Sequence[str]:
        for name in self._files.names("etc"):
            if name.startswith("ld-musl-") and name.endswith(".path"):
                return [each for each in re.split("[:\n]", self._files.text(f"etc/{name}")) if each]
        return _MUSL

    @cached_property
    def _configured(self) -> Sequence[str]:
        return list(dict.fromkeys(self._conf("etc/ld.so.conf", 0, set())))

    def _conf(self, path: str, depth: int, seen: set[str]) -> Iterator[str]:
        """The directories that a file of ldconfig names, those of the files it includes too."""
        if path in seen or depth > _DEEPEST_CONF:
            return
        seen.add(path)
        for line in self._files.text(path).splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                for pattern in words[1:]:
                    for each in self._matching(pattern, path):
                        yield from self._conf(each, depth + 1, seen)
            elif words and words[0] != "hwcap":
                yield from (each.rstrip(",") for each in words if each.startswith("/"))

    def _matching(self, pattern: str, beside: str) -> list[str]:
        """The files that a pattern means; one without a slash at its start is beside the file."""
        from fnmatch import fnmatchcase

        if not pattern.startswith("/"):
            pattern = f"{beside.rpartition('/')[0]}/{pattern}"
        folder, _, name = pattern.strip("/").rpartition("/")
        return [f"{folder}/{each}" for each in self._files.names(folder) if fnmatchcase(each, name)]
