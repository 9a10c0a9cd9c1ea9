"""The paths that a filter lets through, and what they lie in.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate

from lamina.explore.timeline import Timeline, Version
from lamina.explore.tree import Tree

_GLOB = re.compile(r"[*?\[]")


class Index:
    """Every path that any layer has, for filters that are typed letter by letter."""

    def __init__(self, timeline: Timeline) -> None:
        self._lines = [
            ("/" + path.casefold(), path, versions)
            for folder in timeline.folders
            for path, versions in timeline.inside(folder).items()
        ]

    def matching(self, pattern: str, tree: Tree) -> set[str]:
        """The paths of `tree` that match, and all directories above them.

        A pattern without `*`, `?` and `[` matches anywhere in an absolute path.  A glob matches
        names; when it has a slash, whole paths or their ends.  Capitals count for nothing.
        """
        shows = tree.shows
        found = [path for path, versions in self._candidates(pattern) if shows(path, versions)]
        kept = set(found)
        for above in {path.rpartition("/")[0] for path in found}:
            while above and above not in kept:
                kept.add(above)
                above = above.rpartition("/")[0]
        return kept

    def _candidates(self, pattern: str) -> Iterable[tuple[str, Sequence[Version]]]:
        wanted = pattern.casefold()
        if not _GLOB.search(wanted):
            return [(path, versions) for folded, path, versions in self._lines if wanted in folded]
        glob = wanted if wanted.startswith(("/", "*")) else f"*/{wanted}"
        match = re.compile(translate(glob)).match
        if "/" in wanted:
            return [(path, versions) for folded, path, versions in self._lines if match(folded)]
        match = re.compile(translate(wanted)).match
        return [
            (path, versions)
            for folded, path, versions in self._lines
            if match(folded.rpartition("/")[2])
        ]
