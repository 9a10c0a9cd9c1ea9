"""A part of a tree: what `--parents` names and `--exclude` leaves."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamina.context.tree import Content, Tree
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.wildcard import compile_pattern
from lamina.layer.entry import Entry, Kind


class Wanted:
    """What one pattern of `--parents` takes: what matches, and all that is in it."""

    def __init__(self, pattern: str) -> None:
        """Raises BadPattern."""
        self._ignore = Ignore.of([pattern])
        self._parts: list[re.Pattern[str] | None] = [
            None if "**" in part else compile_pattern(part) for part in pattern.split("/")
        ]

    def takes(self, path: str) -> bool:
        """Whether `path`, or a directory above it, matches."""
        return self._ignore.excludes(path)

    def may_lie_below(self, directory: str) -> bool:
        """Whether something in a directory that does not match could."""
        for part, name in zip(self._parts, directory.split("/"), strict=False):
            if part is None:
                return True
            if not part.fullmatch(name):
                return False
        return True


class Filtered:
    """Implements `Tree`: below each of `roots`, what is wanted and not excluded.

    Patterns are relative to the root.  A directory that is not taken itself is there
    when something in it is, and is *passed*.
    """

    def __init__(
        self, tree: Tree, roots: Sequence[str], wanted: Wanted | None, excluded: Ignore
    ) -> None:
        self.whole = tree
        # The deepest first: it is the one that a path below several belongs to.
        self._roots = sorted(set(roots), key=len, reverse=True)
        self._wanted = wanted
        self._excluded = excluded
        self._children: dict[str, Sequence[Entry]] = {}
        self._passed: set[str] = set()

    def lookup(self, path: str) -> Entry | None:
        return self.whole.lookup(path)

    def children(self, path: str) -> Sequence[Entry]:
        if path not in self._children:
            shown = [each for each in self.whole.children(path) if self._shows(each)]
            self._children[path] = shown
        return self._children[path]

    def passes(self, entry: Entry) -> bool:
        """Whether a directory that `children` gave is there only for what is in it."""
        return entry.path in self._passed

    def digest(self, entry: Entry) -> bytes:
        return self.whole.digest(entry)

    def open(self, entry: Entry) -> Content:
        return self.whole.open(entry)

    def _shows(self, entry: Entry) -> bool:
        path = self._relative(entry.path)
        taken = self._wanted is None or self._wanted.takes(path)
        excluded = self._excluded.excludes(path)
        if taken and not excluded:
            return True
        if entry.kind is not Kind.DIRECTORY or (excluded and self._excluded.prunes(path)):
            return False
        if not taken and self._wanted is not None and not self._wanted.may_lie_below(path):
            return False
        if not self.children(entry.path):
            return False
        self._passed.add(entry.path)
        return True

    def _relative(self, path: str) -> str:
        for root in self._roots:
            if not root:
                return path
            if path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
        raise AssertionError(f"{path} is below none of {self._roots}")
