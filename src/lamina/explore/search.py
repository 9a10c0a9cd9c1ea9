"""The paths that a filter lets through, and the directories that they lie in.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import translate

import msgspec

from lamina.explore.timeline import Timeline

_GLOB = re.compile(r"[*?\[]")


class Found(msgspec.Struct, frozen=True):
    """What a filter lets through, of all that any layer has."""

    paths: set[str]
    """What matches."""
    above: set[str]
    """The directories above."""

    def __contains__(self, path: object) -> bool:
        return path in self.paths or path in self.above


class Index:
    """Every path that any layer has, for filters that are typed letter by letter.

    It is made a few directories at a time, when there is time; who searches makes the rest.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._folders: dict[str, list[tuple[str, str]]] = {}
        self._pending = self._fold(timeline)

    def grow(self, count: int) -> bool:
        """Add so many more directories; False when all are there."""
        for _ in range(count):
            entry = next(self._pending, None)
            if entry is None:
                return False
            self._folders[entry[0]] = entry[1]
        return True

    def search(self, pattern: str) -> Found:
        """What matches a pattern; capitals count for nothing.

        Without `*`, `?` and `[` it matches anywhere in an absolute path.  A glob matches names;
        when it has a slash, whole paths or their ends.
        """
        self._folders.update(self._pending)
        matches = _matcher(pattern.casefold())
        found = Found(set(), set())
        for folder, paths in self._folders.items():
            hits = [path for folded, path in paths if matches(folded)]
            if hits:
                found.paths.update(hits)
                while folder and folder not in found.above:
                    found.above.add(folder)
                    folder = folder.rpartition("/")[0]
        return found

    def _fold(self, timeline: Timeline) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        for folder in timeline.folders:
            yield folder, [("/" + path.casefold(), path) for path in timeline.inside(folder)]


def _matcher(pattern: str) -> Callable[[str], object]:
    if not _GLOB.search(pattern):
        return lambda path: pattern in path
    is_name = "/" not in pattern
    if not is_name and not pattern.startswith(("/", "*")):
        pattern = f"*/{pattern}"
    match = re.compile(translate(pattern)).match
    return (lambda path: match(path.rpartition("/")[2])) if is_name else match
