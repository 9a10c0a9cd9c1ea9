"""Hidden files gathered into what a person would call one thing.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.layer.union import Cause, Hidden

_LARGE = 20
"""A file with a twentieth of what one layer hides of another in one way is told by itself."""
_TOGETHER = 4
"""Files or directories of one directory that are told as one."""
_Sums = dict[str, list[int]]
"""Path → number of files, and their bytes."""


class Finding(msgspec.Struct, frozen=True):
    """Files that one layer ships and that another hides in one way."""

    cause: Cause
    layer: int
    hidden_by: int
    at: str
    """What was deleted, replaced, overwritten: a file, or a directory with all these in it."""
    files: int
    bytes: int
    spread: bool = False
    """Whether it happened to files one by one, anywhere below the directory `at`."""

    @property
    def path(self) -> str:
        """Where, for people: `/srv/app/**` for what is spread."""
        return f"/{self.at}/**" if self.spread else f"/{self.at}"


def findings(hidden: Sequence[Hidden]) -> list[Finding]:
    """Hidden files gathered by what hid them, the most bytes first; empty files count for none.

    What was hidden file by file, as by `chmod -R`, is told by directories, but for the files
    that make much of it.
    """
    groups: dict[tuple[Cause, int, int], _Sums] = {}
    for entry, layer, by, cause, at in hidden:
        if entry.size:
            found = groups.setdefault((cause, layer, by), {}).setdefault(at, [0, 0])
            found[0] += 1
            found[1] += entry.size
    gathered = [
        Finding(*key, at, files, size, spread)
        for key, sums in groups.items()
        for at, files, size, spread in _gather(sums)
    ]
    return sorted(gathered, key=lambda found: (-found.bytes, found.layer, found.at))


def _gather(sums: _Sums) -> list[tuple[str, int, int, bool]]:
    if len(sums) < _TOGETHER:
        return [(at, files, size, False) for at, (files, size) in sums.items()]
    least = sum(size for _, size in sums.values()) / _LARGE
    told = [(at, files, size, False) for at, (files, size) in sums.items() if size >= least]
    small = {at: counts for at, counts in sums.items() if counts[1] < least}
    spread: _Sums = {}
    levels: dict[int, list[str]] = {}
    for at in small:
        levels.setdefault(at.count("/"), []).append(at)
    for depth in range(max(levels, default=0), 0, -1):
        for parent, paths in _by_parent(levels.get(depth, ())).items():
            if len(paths) >= _TOGETHER and parent not in small:
                counts = [(small if at in small else spread).pop(at) for at in paths]
                spread[parent] = [sum(each) for each in zip(*counts, strict=True)]
                levels.setdefault(depth - 1, []).append(parent)
    told += [(at, files, size, False) for at, (files, size) in small.items()]
    return told + [(at, files, size, True) for at, (files, size) in spread.items()]


def _by_parent(paths: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(path.rpartition("/")[0], []).append(path)
    return found
