"""The differences of two built images, each with what explains it.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from lamina.explain.compare import Change, Comparison, compare
from lamina.explain.deviations import part
from lamina.explain.difference import Aspect
from lamina.explain.nondeterminism import cause_of
from lamina.explain.settings import SettingChange
from lamina.explain.stack import Stack
from lamina.layer.entry import Kind
from lamina.rewrite.rule import Rule

_HEAD = 16


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


def outcome(old: Stack, new: Stack, rules: Sequence[Rule]) -> Outcome:
    """Compare the merged trees and configurations of two images, explained by `rules`.

    Times of last change do not count: two builds of one file differ in them.  Raises
    LayerDamaged.
    """
    found: Comparison = compare(old, new)
    return Outcome(
        list(_explained(found.changes, old, new, rules)),
        [(each, _by_setting(each, rules)) for each in found.settings],
    )


def _explained(
    changes: Sequence[Change], old: Stack, new: Stack, rules: Sequence[Rule]
) -> Iterator[Explained]:
    for change in changes:
        rule = next((each.name for each in rules if _covers(each.changes, change.path)), "")
        yield Explained(change, rule, "" if rule else _cause(change, old, new))


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
    """What is known to make a path come out otherwise each time."""
    before, after = change.old, change.new
    if before is None or after is None or change.aspects != (Aspect.CONTENT,):
        found = cause_of(change.path)
        return found.name if found else ""
    if before.inode.kind is not Kind.FILE:
        return ""
    with old.open(before.layer, before.inode) as one, new.open(after.layer, after.inode) as two:
        spot = part(one, two)
        one.seek(0)
        head = one.read(_HEAD)
    lines = (spot.first, spot.second) if spot is not None and spot.line else None
    found = cause_of(change.path, head=head, offset=spot.offset if spot else None, lines=lines)
    return found.name if found else ""
