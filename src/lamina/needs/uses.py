"""What an image uses of the base that it stands on.  Pure.

Everything that the image starts and every program and library of its own is asked what it needs;
what lies in the base is a need.  What the base's own files need in turn is the base's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from msgspec import structs

from lamina.explain.owners import Owners
from lamina.explain.stack import Stack
from lamina.needs.closure import close, interpreted, loaded
from lamina.needs.need import Kind, Need, Weight
from lamina.needs.own import RECORDS, Own, Told
from lamina.needs.starts import SHELLS, Start, script_commands, starts
from lamina.needs.system import System

CERTIFICATES = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
)
"""Where programs look for the certificates of authorities."""
ZONES = "usr/share/zoneinfo"
_TLS = ("libssl.so", "libgnutls.so", "libmbedtls.so", "libwolfssl.so", "libssl3.so", "libnss3.so")
_BUILT_IN = (b"crypto/x509", b"rustls", b"ca-certificates.crt")
"""What a program has in it that brings its own TLS and looks for certificates."""
_PYTHONS = re.compile(r"python3(\.\d+)?")
_MANAGERS = ("apt-get", "apt", "apk", "dnf", "yum", "microdnf", "zypper", "tdnf")
_NO_LOCALE = ("", "C", "POSIX")
_PYTHON = "lib/python3."


class Uses:
    """What one image needs of its base."""

    def __init__(self, stack: Stack) -> None:
        self.system = System(stack)
        self.stack = stack
        self.own = Own(self.system)
        self._scripted: dict[str, None] = {}
        """The commands of scripts that were looked through."""

    @cached_property
    def needs(self) -> list[Need]:
        """Each thing once, the most binding first; of equal ones the first that asks."""
        found: dict[tuple[Kind, str], Need] = {}
        for need in self._all():
            key = need.kind, need.name
            before = found.get(key)
            found[key] = need if before is None else _merged(before, need)
        order = {weight: place for place, weight in enumerate(Weight)}
        kinds = {kind: place for place, kind in enumerate(Kind)}
        return sorted(found.values(), key=lambda x: (order[x.weight], kinds[x.kind], x.name))

    @property
    def base_bytes(self) -> int:
        """Bytes that can be seen and are the base's; of the whole image where that is not known."""
        visible = self.stack.account.visible_bytes
        return visible - self.own.bytes if self.own.told is Told.LAYERS else visible

    @property
    def labelled_base(self) -> str:
        """The base that the image's label names (OCI image-spec, annotations.md); or empty."""
        config = self.stack.config
        return config.labels.get("org.opencontainers.image.base.name", "") if config else ""

    @cached_property
    def installs(self) -> dict[str, str]:
        """The base's packages that the image's own packages depend on → who asked."""
        wanted = self.own.packaged.needed_by(self.own.packages)
        base = self.own.base_packaged.installed
        return {name: by for name, by in wanted.items() if name in base}

    def _all(self) -> Iterator[Need]:
        reached = self._started()
        for start in self.starts:
            yield from self._of_start(start)
        for path in sorted({*reached, *self.programs}):
            for need in self._of_program(path):
                yield self._as_declared(path, need)
        yield from self._python()
        yield from self._users()
        yield from self._certificates(reached)
        yield from self._settings()
        yield from self._build()
        for name, by in self.installs.items():
            yield Need(Kind.PACKAGE, name, f"package {by}", package=name)

    @cached_property
    def starts(self) -> list[Start]:
        """What the image starts."""
        return starts(self.system)

    @cached_property
    def programs(self) -> list[str]:
        """The image's own programs, libraries and scripts."""
        return list(self.own.programs())

    def _started(self) -> set[str]:
        """The image's own files that what it starts is made of."""
        paths = [path for start in self.starts if (path := self.system.command(start.word))]
        paths += [start.word for start in self.starts if self.system.files.is_file(start.word)]
        kept = close(self.system, paths, (loaded, interpreted))
        return {path for path in kept if self.own.has(path)}

    def _of_start(self, start: Start) -> Iterator[Need]:
        path = self.system.command(start.word)
        if path is not None:
            yield from self._program(start.word, path, start.by)
            if self.system.files.shebang(path) is not None:
                yield from self._of_script(path)

    def _of_program(self, path: str) -> Iterator[Need]:
        """What one of the image's own files needs."""
        shebang = self.system.files.shebang(path)
        for word in shebang.words if shebang is not None else ():
            found = self.system.command(word)
            if found is not None:
                yield from self._program(word, found, f"/{path}")
        elf = self.system.files.elf(path)
        if elf is None:
            return
        if elf.interpreter:
            yield from self._file(Kind.LOADER, elf.interpreter, elf.interpreter, path)
        for link in self.system.linker.links(path):
            if link.by == path and link.paths:
                wants = elf.wants.get(link.name, ())
                yield from self._file(Kind.LIBRARY, link.name, link.paths[0], path, wants)
        known = {elf.soname, *elf.needed, elf.interpreter.rpartition("/")[2]}
        for name in sorted(self.system.files.library_names(path) - known):
            for each in self.system.linker.find(name, elf, path)[:1]:
                yield from self._file(Kind.LIBRARY, name, each, path, weight=Weight.MAY)

    def _as_declared(self, path: str, need: Need) -> Need:
        """A need of a packaged file is as binding as its package says: what it does not depend
        on (a script for Python among a package's tools) it can do without."""
        if path not in self.own.packaged.owner:
            return need
        is_declared = not need.package or need.package in self.installs
        weight = need.weight if is_declared else Weight.MAY
        return structs.replace(need, weight=weight, packaged=True)

    def _of_script(self, path: str) -> Iterator[Need]:
        """The commands of a shell script of the image's own that it starts."""
        place = self.system.files.resolve(path)
        shebang = self.system.files.shebang(place)
        if shebang is None or not self.own.has(place):
            return
        if shebang.words[-1].rpartition("/")[2] not in SHELLS:
            return
        for word in dict.fromkeys(script_commands(self.system.files.text(place))):
            found = self.system.command(word)
            if found is not None:
                self._scripted[found] = None
                yield from self._program(word, found, f"/{place}", Weight.MAY)

    def _program(
        self, word: str, path: str, by: str, weight: Weight = Weight.MUST
    ) -> Iterator[Need]:
        place = self.system.files.resolve(path)
        if self.own.has(place) or self.own.has(path) or not self.system.files.is_file(place):
            return
        kind = Kind.SHELL if word.rpartition("/")[2] in SHELLS else Kind.PROGRAM
        yield Need(kind, word, by, weight, place, package=self._package(path, place))

    def _file(
        self,
        kind: Kind,
        name: str,
        path: str,
        asker: str,
        versions: Iterable[str] = (),
        weight: Weight = Weight.MUST,
    ) -> Iterator[Need]:
        place = self.system.files.find(path)
        if place is None or self.own.has(place):
            return
        package = self._package(path, place)
        yield Need(kind, name, f"/{asker}", weight, place, asker, tuple(versions), package)

    def _package(self, path: str, place: str) -> str:
        """The base's package that has the link by which a file is known, or else the file."""
        owner = self.own.packaged.owner
        beside = self.own.packaged.place(path)
        return owner.get(beside or "") or owner.get(place, "")

    def _python(self) -> Iterator[Need]:
        """The Python whose version is in the path of the image's own modules."""
        for name in sorted({each for path in self._own_modules() if (each := _python_of(path))}):
            found = self.system.command(name)
            if found is not None:
                yield from self._program(name, found, "its own modules of Python")

    def _own_modules(self) -> Iterator[str]:
        for located in self.stack.union.walk():
            path = located.entry.path
            if located.entry.size and _PYTHON in path and self.own.has(path):
                yield path

    def _users(self) -> Iterator[Need]:
        """The user of the configuration, and owners of the image's own files, where the base
        gives them their names."""
        names = Owners.of(self.own.base).users
        config = self.stack.config
        user = (config.execution.user if config is not None else "").partition(":")[0]
        if user in names.values():
            yield Need(Kind.USER, user, "USER")
        for uid, path in self._owners().items():
            if uid in names:
                yield Need(Kind.USER, names[uid], f"/{path}")

    def _owners(self) -> dict[int, str]:
        """Who but root owns the image's own files, and of each one of them."""
        found: dict[int, str] = {}
        if self.own.told is Told.PACKAGES:  # packages make files of their users when configured
            return found
        for located in self.stack.union.walk():
            entry = located.entry
            is_new = bool(entry.uid) and entry.uid not in found
            if is_new and not entry.path.startswith(RECORDS) and self.own.has(entry.path):
                found[entry.uid] = entry.path
        return found

    def _certificates(self, reached: Iterable[str]) -> Iterator[Need]:
        """The certificates of the base, when something that speaks TLS is used."""
        there = [path for path in CERTIFICATES if self.system.files.find(path) is not None]
        places = [self.system.files.resolve(path) for path in there]
        if not there or any(self._is_own_data(place) for place in places):
            return
        by, weight = self._speaker(reached)
        if by:
            package = "ca-certificates" if self.own.packaged.manager else ""
            name = "certificates of authorities"
            yield Need(Kind.CERTIFICATES, name, by, weight, places[0], package=package)

    def _is_own_data(self, place: str) -> bool:
        """Whether a generated file is the image's own: no package says that it has it."""
        return self.own.told is not Told.PACKAGES and self.own.has(place)

    def _speaker(self, reached: Iterable[str]) -> tuple[str, Weight]:
        """A used program that speaks TLS; empty when there is none."""
        paths = {*reached, *self.programs}
        paths |= {path for start in self.starts if (path := self.system.command(start.word))}
        kept = sorted(close(self.system, paths, (loaded, interpreted)))
        for path in kept:
            if path.rpartition("/")[2].startswith(_TLS):
                return f"/{path}", Weight.MUST
        for path in sorted(paths):
            elf = self.system.files.elf(path)
            if elf is not None and not elf.soname:
                raw = self.system.files.read(path)
                if any(each in raw for each in _BUILT_IN):
                    return f"/{path}", Weight.MUST
        for path in (*kept, *self._scripted):
            if _PYTHONS.fullmatch(path.rpartition("/")[2]):
                return f"/{path}", Weight.MAY
        for path in sorted(close(self.system, self._scripted, (loaded, interpreted))):
            if path.rpartition("/")[2].startswith(_TLS):
                return f"/{path}", Weight.MAY
        return "", Weight.MAY

    def _settings(self) -> Iterator[Need]:
        """The time zone and the language that the environment names."""
        zone = self.system.environment.get("TZ", "").lstrip(":")
        if zone and not zone.startswith("/"):
            place = self.system.files.find(f"{ZONES}/{zone}")
            if place is not None and not self.own.has(place):
                package = self._package(place, place)
                yield Need(Kind.TIME_ZONE, zone, "ENV TZ", place=place, package=package)
        for variable in ("LC_ALL", "LANG"):
            name = self.system.environment.get(variable, "")
            if name in _NO_LOCALE or name.upper().startswith("C."):
                continue
            place = locale_place(self.system, name)
            if place and not self.own.has(place):
                package = self._package(place, place)
                yield Need(Kind.LOCALE, name, f"ENV {variable}", place=place, package=package)

    def _build(self) -> Iterator[Need]:
        """The programs that the instructions of the image's own layers run."""
        for layer in range(self.own.first, len(self.stack)):
            origin = self.stack.origins[layer]
            if not origin.instruction.startswith("RUN "):
                continue
            by = f"layer {origin.label}: {origin.instruction}"
            text = origin.instruction.removeprefix("RUN ")
            for word in dict.fromkeys(("/bin/sh", *script_commands(text))):
                path = self.system.command(word)
                for need in self._program(word, path, by, Weight.BUILD) if path else ():
                    is_manager = word in _MANAGERS
                    yield structs.replace(need, kind=Kind.MANAGER) if is_manager else need


def locale_place(system: System, name: str) -> str:
    """Where glibc has a locale; empty when it has not.  An archive is taken to hold it."""
    language, _, charset = name.partition(".")
    folder = f"{language}.{charset.lower().replace('-', '')}" if charset else language
    for path in (f"usr/lib/locale/{folder}", "usr/lib/locale/locale-archive"):
        place = system.files.find(path)
        if place is not None:
            return place
    return ""


def _python_of(path: str) -> str:
    """`python3.11` of a path below such a directory of libraries."""
    start = path.find(_PYTHON)
    name = path[start + 4 :].partition("/")[0] if start >= 0 else ""
    return name if name.removeprefix("python3.").isdigit() else ""


def _merged(first: Need, other: Need) -> Need:
    """One need of two that ask for the same; the more binding one is told."""
    order = list(Weight)
    told, second = sorted((first, other), key=lambda need: order.index(need.weight))
    versions = tuple(dict.fromkeys((*first.versions, *other.versions)))
    asker = told.asker or second.asker
    return structs.replace(
        told,
        versions=versions,
        asker=asker,
        others=first.others + 1,
        packaged=first.packaged and other.packaged,
    )
