"""`.dockerignore`: which files of a context do not exist for the build.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

import msgspec

from lamina.dockerfile.spaces import SPACES
from lamina.dockerfile.wildcard import BadPattern, compile_ignore, is_pattern
from lamina.errors import Invalid


class BadIgnoreFile(Invalid):
    """A line of an ignore file is no pattern."""


class _Rule(msgspec.Struct, frozen=True):
    pattern: str
    includes: bool
    matcher: re.Pattern[str]


class Ignore(msgspec.Struct, frozen=True):
    """The rules of one ignore file, in order: the last one that matches decides."""

    rules: tuple[_Rule, ...] = ()

    @classmethod
    def parse(cls, text: str, *, name: str = ".dockerignore") -> Ignore:
        """Read an ignore file.  Raises BadIgnoreFile, naming the line."""
        rules: list[_Rule] = []
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            pattern = "" if line.startswith("#") else line.strip(SPACES)
            if not pattern:
                continue
            if pattern == "!":
                raise BadIgnoreFile(f"{name}:{number}: an exclamation mark without a pattern")
            try:
                rules += _rules(pattern)
            except BadPattern as error:
                raise BadIgnoreFile(f"{name}:{number}: {error}") from None
        return cls(tuple(rules))

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Ignore:
        """The rules of some patterns, as they would stand in a file.  Raises BadPattern."""
        stripped = [pattern.strip(SPACES) for pattern in patterns]
        if "!" in stripped:
            raise BadPattern("!")
        return cls(tuple(rule for pattern in stripped for rule in _rules(pattern)))

    def excludes(self, path: str) -> bool:
        """Whether `path` (relative, clean) is left out: it, or a directory above it, matches."""
        excluded = False
        chain: list[str] = []
        for rule in self.rules:
            if rule.includes != excluded:
                continue
            chain = chain or _with_parents(path)
            if any(rule.matcher.fullmatch(each) for each in chain):
                excluded = not rule.includes
        return excluded

    def hides(self, path: str) -> bool:
        """Whether `path` is left out with everything below it; `.` is the whole context."""
        if path == ".":
            everything = any(rule.pattern in ("*", "**", "**/*") for rule in self.rules)
            return everything and not any(rule.includes for rule in self.rules)
        return self.excludes(path) and self.prunes(path)

    def prunes(self, directory: str) -> bool:
        """Whether nothing below the excluded `directory` can come back through a `!` rule."""
        return not any(
            rule.includes
            and (is_pattern(rule.pattern.split("/")[0]) or _may_lie_below(rule.pattern, directory))
            for rule in self.rules
        )


def _rules(pattern: str) -> list[_Rule]:
    """The rule of one pattern, or none when it says nothing.  Raises BadPattern."""
    includes = pattern.startswith("!")
    cleaned = _clean(pattern[1:].strip(SPACES) if includes else pattern)
    if cleaned == ".":
        return []  # a context cannot exclude itself
    return [_Rule(cleaned, includes, compile_ignore(cleaned))]


def _clean(pattern: str) -> str:
    """Without `.`, `..` and slashes that say nothing; an absolute one is at the context's root."""
    if pattern.startswith("/"):
        return posixpath.normpath("/" + pattern.lstrip("/"))[1:] or "."
    return posixpath.normpath(pattern)


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return [path, *("/".join(parts[:count]) for count in range(1, len(parts)))]


def _may_lie_below(pattern: str, directory: str) -> bool:
    """Whether the components of a pattern before its first wildcard agree with `directory`."""
    for ours, theirs in zip(pattern.split("/"), directory.split("/"), strict=False):
        if is_pattern(ours):
            return True
        if ours != theirs:
            return False
    return True
