"""What stays of the application: files that no package manager knows, by whole directories.  Pure.

A probe asks for one page of a site and takes one way through a program.  So where one file of
a directory is used that came with no package, all of the directory stays, up to the highest
one that is not a directory of the system's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from lamina.minify.image_tree import ImageTree
from lamina.minify.keep_node import package_of
from lamina.minify.keep_python import is_library, site_of
from lamina.minify.keep_system import java_home, language_of
from lamina.minify.reasons import Reason, Why

_TOP = (
    *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt"),
    *("opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"),
)
_USR = (
    *("bin", "games", "include", "lib", "lib32", "lib64", "libexec", "libx32", "local", "sbin"),
    *("share", "src"),
)
_VAR = (*("backups", "cache", "lib", "local", "lock", "log", "mail", "opt", "run", "spool", "tmp"),)
_SYSTEM = frozenset(
    (
        *("", *_TOP),
        *(f"usr/{name}" for name in _USR),
        *(f"usr/local/{name}" for name in (*_USR, "etc", "man")),
        *(f"var/{name}" for name in _VAR),
    )
)
_LOOSE = frozenset({"", "root", "srv", "opt", "mnt", "tmp", "home", "var"})
"""Directories of the system's in which people put a program all the same."""
_SOURCES = (".py", ".js", ".mjs", ".cjs", ".rb", ".pl", ".php", ".jar", ".sh", ".lua", ".json")
_OTHERS = frozenset({"node_modules", "site-packages", "dist-packages", ".git", "__pycache__"})
"""What has rules of its own, or is of no use to a program."""
_LIBRARIES = ("usr/lib/", "usr/lib64/", "usr/lib32/", "lib/", "lib64/", "usr/libexec/")
_RECORDS = ("var/lib/dpkg/", "var/lib/apt/", "var/cache/", "var/log/", "var/lib/rpm/", "lib/apk/")
"""What package managers write for themselves."""


class ApplicationRules:
    """The rule, with what was done already."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._done: set[str] = set()

    def __call__(self, path: str, why: Why) -> Iterator[tuple[str, Reason]]:
        """What stays because `path` does."""
        if why not in {Why.USED, Why.CONFIGURED, Why.ASKED} or not self._is_own(path):
            return
        folder = path.rpartition("/")[0]
        if self._is_system(folder):
            if folder in _LOOSE or folder.startswith("home/"):
                yield from self._siblings(folder)
            return
        while not self._is_system(above := folder.rpartition("/")[0]):
            folder = above
        if folder not in self._done:
            self._done.add(folder)
            for each in self._tree.below(folder, without=_OTHERS):
                if each not in self._tree.packaged.owner:
                    yield each, Reason(Why.APPLICATION, folder)

    def _is_own(self, path: str) -> bool:
        return (
            path not in self._tree.packaged.owner
            and path in self._tree.entries
            and site_of(path) is None
            and package_of(path) is None
            and language_of(path) is None
            and not is_library(path)
            and java_home(self._tree, path) is None
            and not path.startswith(("etc/", "proc/", "sys/", "dev/", "run/", *_RECORDS))
        )

    def _is_system(self, folder: str) -> bool:
        """Whether a directory is there in every system, or holds what packages brought."""
        parts = folder.split("/")
        if folder in _SYSTEM or (parts[0] == "home" and len(parts) < 3):
            return True
        if f"{folder}/".startswith(_LIBRARIES) or folder.startswith("usr/local/lib"):
            return True
        return folder in self._packaged_folders

    @cached_property
    def _packaged_folders(self) -> frozenset[str]:
        return frozenset(path.rpartition("/")[0] for path in self._tree.packaged.owner)

    def _siblings(self, folder: str) -> Iterator[tuple[str, Reason]]:
        if folder in self._done:
            return
        self._done.add(folder)
        for name in self._tree.union.children(folder):
            path = f"{folder}/{name}" if folder else name
            if name.endswith(_SOURCES) and self._is_own(path) and not self._tree.is_directory(path):
                yield path, Reason(Why.APPLICATION, folder or "/")
