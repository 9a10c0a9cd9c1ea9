"""From files that are used to all that these need to work.  Pure.

A rule tells what one file needs, whatever else is kept; the closure is the least set that holds
the files and all that the rules say of its members.  So it is the same whatever order it is
found in, closing it again adds nothing, and who uses more keeps no less.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum

import msgspec

from lamina.explain.stack import Stack
from lamina.needs.system import System


class Why(Enum):
    """Why a path is kept; the value goes before the path that it is kept for."""

    USED = "used"
    LOADER = "loader of"
    LIBRARY = "library of"
    OPENED = "may be opened by"
    INTERPRETER = "interpreter of"
    NAMES = "names of users and hosts for"


class Reason(msgspec.Struct, frozen=True):
    """Why a path is kept."""

    why: Why
    by: str = ""
    """The path that needs it, without the leading slash; empty for what is used itself."""

    def __str__(self) -> str:
        return f"{self.why.value} /{self.by}" if self.by else self.why.value


Rule = Callable[[System, str], Iterable[tuple[str, Reason]]]
"""What the file at a path needs: paths, which need not be there, and why.  It must say the same
of a path each time."""


def close(
    stack: Stack | System, used: Iterable[str], rules: Sequence[Rule] | None = None
) -> dict[str, Reason]:
    """Every path that must be there for the `used` ones to work, and the first reason found.

    Of `used`, those that are not in the image are passed over.  The result has for each path
    every symbolic link on the way to it and what it leads to, each by its own place
    (`lib`, `usr/lib`, `usr/lib/x86_64-linux-gnu/libz.so.1`, `…/libz.so.1.2.13`); the other
    directories above are left to whoever makes the tree.  A directory stands for itself, not
    for what is in it.
    `rules` are all of `RULES` unless others are given.
    """
    system = stack if isinstance(stack, System) else System(stack)
    chosen = RULES if rules is None else rules
    kept: dict[str, Reason] = {}
    todo: deque[tuple[str, Reason]] = deque((path, Reason(Why.USED)) for path in sorted(used))
    while todo:
        path, reason = todo.popleft()
        for step in system.files.steps(path):
            if step not in kept:
                kept[step] = reason
                for rule in chosen:
                    todo.extend(rule(system, step))
                # A link on the way leads to a directory, which must be there as well.
                todo.append((step, reason))
    return kept


def loaded(system: System, path: str) -> Iterator[tuple[str, Reason]]:
    """The loader of a program, what it reads at each start, and the libraries of an object."""
    elf = system.files.elf(path)
    if elf is None:
        return
    if elf.interpreter:
        for each in (elf.interpreter, *_LOADER_FILES):
            yield each.strip("/"), Reason(Why.LOADER, path)
        for name in _words(system.files.text("etc/ld.so.preload")):
            for each in system.linker.find(name, elf, path):
                yield each, Reason(Why.LIBRARY, path)
        for name in system.files.names("etc"):
            if name.startswith("ld-musl-"):
                yield f"etc/{name}", Reason(Why.LOADER, path)
    for link in system.linker.links(path):
        by = system.files.union.resolve(link.by, follow=False)
        for each in link.paths:
            yield each, Reason(Why.LIBRARY, by)


def opened(system: System, path: str) -> Iterator[tuple[str, Reason]]:
    """The libraries that an ELF file has the names of among its strings."""
    elf = system.files.elf(path)
    if elf is None:
        return
    for name in sorted(system.files.library_names(path) - {elf.soname, *elf.needed}):
        for each in system.linker.find(name, elf, path):
            yield each, Reason(Why.OPENED, path)


def interpreted(system: System, path: str) -> Iterator[tuple[str, Reason]]:
    """The interpreter of a script, and the command that `env` looks up for it."""
    shebang = system.files.shebang(path)
    if shebang is None:
        return
    yield shebang.interpreter.strip("/"), Reason(Why.INTERPRETER, path)
    command = system.command(shebang.command)
    if command is not None:
        yield command, Reason(Why.INTERPRETER, path)


def named(system: System, path: str) -> Iterator[tuple[str, Reason]]:
    """What glibc opens to look up users and hosts: the files, and the library of every service
    that nsswitch.conf(5) names."""
    elf = system.files.elf(path)
    if elf is None or elf.soname != "libc.so.6":
        return
    for each in _NAME_FILES:
        yield each, Reason(Why.NAMES, path)
    services = {"files", "dns"}
    for line in system.files.text("etc/nsswitch.conf").splitlines():
        services.update(line.partition("#")[0].partition(":")[2].split())
    for service in sorted(services):
        for each in system.linker.find(f"libnss_{service}.so.2", elf, path):
            yield each, Reason(Why.NAMES, path)


RULES: Sequence[Rule] = (loaded, interpreted, opened, named)
_LOADER_FILES = ("/etc/ld.so.cache", "/etc/ld.so.preload")
_NAME_FILES = (
    "etc/nsswitch.conf",
    "etc/passwd",
    "etc/group",
    "etc/hosts",
    "etc/host.conf",
    "etc/services",
    "etc/protocols",
)


def _words(text: str) -> list[str]:
    return text.replace(":", " ").split()
