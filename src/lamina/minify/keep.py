"""Which paths of an image stay when it is minified, and why.  Pure.

From the files that were used, rules lead to others; they say the same of a path each time, and
what stays is the least set that holds the used ones and all that the rules say of its members.
Rules speak of packages and directories as wholes.  So a probe that opens a file more or less
from one run to the next does not change the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from lamina.errors import NotFound
from lamina.layer.entry import Kind, directories_above
from lamina.minify.image_tree import ImageTree
from lamina.minify.keep_application import ApplicationRules
from lamina.minify.keep_named import NamedRules
from lamina.minify.keep_node import NodeRules
from lamina.minify.keep_python import PythonRules
from lamina.minify.keep_system import SystemRules, is_data
from lamina.minify.reasons import FIRM, Reason, Why
from lamina.needs.closure import RULES, close, interpreted
from lamina.needs.closure import Rule as NeedsRule

Rule = Callable[[str, Why], Iterator[tuple[str, Reason]]]
"""What stays because the path does, which stays for that reason."""

_RECORDS = ("var/lib/dpkg/", "lib/apk/", "usr/lib/apk/", "var/lib/rpm/", "usr/lib/sysimage/rpm/")
_PIECES = "var/lib/dpkg/info/"
"""Records of one package each: they stay with their package."""
_WHOLE = ("etc/", *_RECORDS)
_IDENTITY = ("usr/lib/os-release",)
_PLACES = ("var", "tmp", "run", "home", "root", "srv", "mnt", "media", "opt", "etc", "boot")
"""Directories in which programs write: what directories are in them stay."""


class NothingMatches(NotFound):
    """A --keep is about nothing in the image."""

    def __init__(self, option: str, text: str) -> None:
        super().__init__(
            f"{option} {text}: the image has no such thing",
            hint="`lamina ls` and `lamina explain` show what it has",
        )


class Wishes(msgspec.Struct, frozen=True):
    """What the user wants to stay whatever is used."""

    patterns: tuple[str, ...] = ()
    """Of absolute paths, `*` crosses slashes; one that is a directory's means all in it."""
    packages: tuple[str, ...] = ()
    """Names of system packages, programs and documentation included."""


class Kept(msgspec.Struct, frozen=True):
    """What stays and what goes; together they are every path of the image but the root."""

    reasons: Mapping[str, Reason]
    """Of files and links; directories stay without one."""
    removed: frozenset[str]
    """What goes: with a directory also everything in it."""


def keep(tree: ImageTree, used: Collection[str], wishes: Wishes) -> Kept:
    """What stays of an image of which `used` are the clean paths that were used.

    Raises NothingMatches.
    """
    keeper = _Keeper(tree)
    keeper.add((path, Reason(Why.USED)) for path in sorted(used))
    keeper.add(_configured(tree))
    keeper.add(keeper.asked(wishes))
    keeper.settle()
    keeper.add(_by_place(tree))
    return keeper.result()


class _Keeper:
    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._kept: dict[str, Reason] = {}
        self._todo: list[str] = []
        self._python = PythonRules(tree)
        self._node = NodeRules(tree)
        self._rules: Sequence[Rule] = (
            SystemRules(tree),
            ApplicationRules(tree),
            self._python,
            self._node,
            NamedRules(tree),
        )
        self._weak = [rule for rule in RULES if rule is not interpreted]

    def add(self, found: Iterable[tuple[str, Reason]]) -> None:
        for path, reason in found:
            entry = self._tree.entries.get(path)
            if path not in self._kept and entry is not None and entry.kind is not Kind.DIRECTORY:
                self._kept[path] = reason
                self._todo.append(path)

    def settle(self) -> None:
        """Add what the rules say until they say nothing new."""
        while self._todo:
            new, self._todo = self._todo, []
            firm = [path for path in new if self._kept[path].why in FIRM]
            weak = [
                path for path in new if self._kept[path].why not in FIRM and self._may_load(path)
            ]
            self.add(self._needed(firm, RULES))
            self.add(self._needed(weak, self._weak))
            for path in new:
                why = self._kept[path].why
                for rule in self._rules:
                    self.add(rule(path, why))

    def _may_load(self, path: str) -> bool:
        """Whether data may be an ELF file, by what it is called and may: it is thousands of
        modules, and to look into each of them takes longer than all else."""
        return ".so" in path or bool(self._tree.entries[path].mode & 0o111)

    def _needed(
        self, paths: Sequence[str], rules: Sequence[NeedsRule]
    ) -> Iterator[tuple[str, Reason]]:
        for path, reason in close(self._tree.system, paths, rules).items():
            yield path, Reason(Why.NEEDED, reason.by)

    def asked(self, wishes: Wishes) -> Iterator[tuple[str, Reason]]:
        """What the user named."""
        for pattern in wishes.patterns:
            wanted = f"/{_placed(self._tree, pattern)}"
            found = [
                path
                for path in self._tree.entries
                if fnmatchcase(f"/{path}", wanted) or f"/{path}".startswith(f"{wanted}/")
            ]
            if not found:
                raise NothingMatches("--keep", pattern)
            for path in found:
                below = self._tree.below(path) if self._tree.is_directory(path) else (path,)
                for each in below:
                    yield each, Reason(Why.ASKED, pattern)
        for name in wishes.packages:
            paths = [
                *self._tree.packaged.members.get(name, ()),
                *self._python.named(name),
                *self._node.named(name),
            ]
            if not paths:
                raise NothingMatches("--keep-package", name)
            for each in paths:
                yield each, Reason(Why.ASKED, name)

    def result(self) -> Kept:
        """With the links that lead to what stays, or led nowhere before: they cost nothing."""
        folders = _staying(self._tree, self._kept)
        links = [
            path
            for path, entry in self._tree.entries.items()
            if entry.kind is Kind.SYMLINK and path not in self._kept
        ]
        again = True
        while again:
            again = False
            for path in links:
                if path in self._kept:
                    continue
                target = self._tree.files.find(path)
                if target is None or target in self._kept or target in folders:
                    self._kept[path] = Reason(Why.PLACE, path)
                    above = directories_above([path])
                    again = again or not above <= folders
                    folders |= above
        removed = self._tree.entries.keys() - self._kept.keys() - folders
        return Kept(self._kept, frozenset(removed))


def _placed(tree: ImageTree, pattern: str) -> str:
    """A pattern with the links in the directories before its first wildcard followed: people
    say /bin/sh of what is /usr/bin/sh by now."""
    parts = [part for part in pattern.split("/") if part]
    plain = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    folders = min(plain, len(parts) - 1)
    return "/".join([tree.files.resolve("/".join(parts[:folders])), *parts[folders:]]).strip("/")


def _configured(tree: ImageTree) -> Iterator[tuple[str, Reason]]:
    """The programs that the configuration names: entry point, command, health check."""
    config = tree.system.stack.config
    if config is None:
        return
    execution = config.execution
    words = [*(execution.entrypoint or ()), *(execution.cmd or ())]
    test = execution.healthcheck.test if execution.healthcheck is not None else ()
    if test[:1] == ("CMD",):
        words += test[1:]
    elif test[:1] == ("CMD-SHELL",):
        words += ["/bin/sh", *" ".join(test[1:]).split()]
    # `sh -c 'app --now'` names app as well.
    for word in " ".join(words).split():
        path = tree.system.command(word)
        if path is not None:
            for each in tree.files.steps(path):
                yield each, Reason(Why.CONFIGURED, word)


def _by_place(tree: ImageTree) -> Iterator[tuple[str, Reason]]:
    """What stays for what and where it is: configuration, records, devices, empty files."""
    for path, entry in tree.entries.items():
        if entry.kind is Kind.DIRECTORY or entry.kind is Kind.SYMLINK:
            continue
        content = tree.union.content(path)
        if path in _IDENTITY or (path.startswith(_WHOLE) and not path.startswith(_PIECES)):
            yield path, Reason(Why.SYSTEM)
        elif content is None or (content.entry.size == 0 and is_data(path)):
            yield path, Reason(Why.PLACE)


def _staying(tree: ImageTree, kept: Mapping[str, Reason]) -> set[str]:
    """The directories that stay: those with something in them, those that were empty, and
    those in places where programs write."""
    folders = [
        path
        for path, entry in tree.entries.items()
        if entry.kind is Kind.DIRECTORY
        and (path.partition("/")[0] in _PLACES or not tree.union.children(path))
    ]
    return {*folders, *directories_above(folders), *directories_above(kept)}
