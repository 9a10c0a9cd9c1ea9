"""The differences of two built images, each with what explains it.  Pure.

A rule explains what its edits may change.  Of the rest, a text that differs in a time, or a
file that is known to differ each time (a log, ldconfig's notes), explains itself.  What is left
is explained by a second build of the old file alone: where that differs from the first, too,
nobody's edit was the cause.  A program or an archive that came out otherwise is such a thing:
its name does not tell whether it has a new time in it, or is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from lamina.explain.compare import Change, compare
from lamina.explain.deviations import part
from lamina.explain.difference import Aspect
from lamina.explain.nondeterminism import cause_of
from lamina.explain.settings import SettingChange
from lamina.explain.stack import Stack
from lamina.layer.entry import Kind
from lamina.rewrite.rule import Rule

SEEN = "two builds of the old file differ there"


class Explained(msgspec.Struct, frozen=True):
    """One path that differs."""

    change: Change
    rule: str
    """Whose edits may change it; empty when none may."""
    cause: str
    """What makes it differ from build to build, whatever is built; empty when nothing known."""

    @property
    def is_explained(self) -> bool:
        """Whether anything accounts for it."""
        return bool(self.rule or self.cause)


class Outcome(msgspec.Struct, frozen=True):
    """Two images, the second made by the rewritten file."""

    paths: Sequence[Explained]
    settings: Sequence[tuple[SettingChange, str]]
    """With the rule that explains it; empty when none does."""

    @property
    def unexplained(self) -> int:
        """How many differences nothing accounts for."""
        return sum(not each.is_explained for each in self.paths) + sum(
            not rule for _, rule in self.settings
        )


def outcome(old: Stack, new: Stack, rules: Sequence[Rule], again: Callable[[], Stack]) -> Outcome:
    """Compare the merged trees and configurations of two images, explained by `rules`.

    `again` builds the old file once more; it is asked when anything is left to explain.  Times
    of last change do not count: two builds of one file differ in them.  Raises LayerDamaged,
    and what `again` raises.
    """
    found = compare(old, new)
    paths = _with_directories([_explained(each, old, new, rules) for each in found.changes])
    if not all(each.is_explained for each in paths):
        paths = _with_directories(list(_by_chance(paths, compare(old, again()).changes)))
    return Outcome(paths, [(each, _by_setting(each, rules)) for each in found.settings])


def _with_directories(paths: Sequence[Explained]) -> list[Explained]:
    """The same, sorted by path as they come; a directory that only one has is explained where
    all that it holds is."""
    done: list[Explained] = []
    inside: dict[str, list[Explained]] = {}
    for each in reversed(paths):
        held = inside.pop(each.change.path, [])
        is_alone = each.change.verdict != "changed" and not each.is_explained
        if is_alone and held and all(one.is_explained for one in held):
            each = replace(each, rule=held[-1].rule, cause=held[-1].cause)
        inside.setdefault(_above(each.change), []).append(each)
        done.append(each)
    return done[::-1]


def _explained(change: Change, old: Stack, new: Stack, rules: Sequence[Rule]) -> Explained:
    rule = next((each.name for each in rules if _covers(each.changes, change.path)), "")
    return Explained(change, rule, "" if rule else _cause(change, old, new))


def _by_chance(paths: Iterable[Explained], own: Sequence[Change]) -> Iterator[Explained]:
    """The same, with what differs between two builds of the old file."""
    changed = {each.path for each in own}
    # A file of a random name is one that comes and one that goes, beside each other.
    coming = {_above(each) for each in own if each.verdict == "added"}
    going = {_above(each) for each in own if each.verdict == "removed"}
    for each in paths:
        change = each.change
        is_renamed = change.verdict != "changed" and _above(change) in coming & going
        if each.is_explained or not (change.path in changed or is_renamed):
            yield each
        else:
            yield replace(each, cause=SEEN)


def _above(change: Change) -> str:
    return change.path.rpartition("/")[0]


def _covers(patterns: Collection[str], path: str) -> bool:
    """Whether one of some patterns is of a path: `a/**` is `a` and all below it, `**/a/**` the
    same anywhere, `**` everything."""
    for pattern in patterns:
        anywhere = pattern.startswith("**/")
        core = pattern.removeprefix("**/").removesuffix("/**")
        if pattern == "**" or path == core or path.startswith(f"{core}/"):
            return True
        if anywhere and f"/{core}/" in f"/{path}/":
            return True
    return False


def _by_setting(change: SettingChange, rules: Sequence[Rule]) -> str:
    name = f"{change.setting} {change.key}".strip()
    return next((each.name for each in rules if name in each.settings), "")


def _cause(change: Change, old: Stack, new: Stack) -> str:
    """What is known to make a file come out otherwise each time; empty when its path and its
    lines do not tell, or when only one image has it."""
    before, after = change.old, change.new
    if before is None or after is None or change.aspects != (Aspect.CONTENT,):
        return ""
    if before.inode.kind is not Kind.FILE:
        return ""
    if found := cause_of(change.path):
        return found.name
    with old.open(before.layer, before.inode) as one, new.open(after.layer, after.inode) as two:
        spot = part(one, two)
    if spot is None or not spot.line:
        return ""
    found = cause_of(change.path, lines=(spot.first, spot.second))
    return found.name if found else ""
