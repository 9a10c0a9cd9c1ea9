"""Go's file name patterns: `filepath.Match` for COPY, and the `.dockerignore` dialect.  Pure."""

from __future__ import annotations

import re

from lamina.errors import Invalid

_WILD = re.compile(r"[*?\[\\]")


class BadPattern(Invalid):
    """A pattern with an open bracket, an empty class or a lone escape at its end."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"not a file name pattern: {pattern!r}")


def is_pattern(text: str) -> bool:
    """Whether `text` has a character that a pattern gives a meaning."""
    return _WILD.search(text) is not None


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Go's `filepath.Match`: `*` and `?` within one path component, `[a-z]`, `[^a]`, `\\` escapes.

    Raises BadPattern.
    """
    return re.compile(_translate(pattern, deep=False), re.DOTALL)


def compile_ignore(pattern: str) -> re.Pattern[str]:
    """The same with `**` for any depth, as `.dockerignore` has it.  Raises BadPattern."""
    rest = pattern[2:]
    if pattern.startswith("**") and rest[:1] != "/" and not is_pattern(rest):
        # Docker looks only at how the path ends: `**ab` is in `x/cab` as well.
        return re.compile(f".*{re.escape(rest)}", re.DOTALL)
    return re.compile(_translate(pattern, deep=True), re.DOTALL)


def _translate(pattern: str, *, deep: bool) -> str:
    parts: list[str] = []
    place = 0
    while place < len(pattern):
        mark = pattern[place]
        place += 1
        if mark == "*" and deep and pattern.startswith("*", place):
            place += 1
            if pattern.startswith("/", place):
                place += 1
            parts.append("(?:.*/)?" if place < len(pattern) else ".*")
        elif mark == "*":
            parts.append("[^/]*")
        elif mark == "?":
            parts.append("[^/]")
        elif mark == "[":
            text, place = _class(pattern, place)
            parts.append(text)
        elif mark == "\\":
            if place == len(pattern):
                raise BadPattern(pattern)
            parts.append(re.escape(pattern[place]))
            place += 1
        else:
            parts.append(re.escape(mark))
    return "".join(parts)


def _class(pattern: str, place: int) -> tuple[str, int]:
    """A bracket's regular expression, and where the bracket ends."""
    negated = pattern.startswith("^", place)
    place += negated
    ranges: list[str] = []
    while not (pattern.startswith("]", place) and ranges):
        low, place = _member(pattern, place)
        high = low
        if pattern.startswith("-", place):
            high, place = _member(pattern, place + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")
    inner = "".join(ranges)
    if not inner:
        # Only ranges that run backwards: Go matches nothing with them.
        return ("." if negated else "(?!)"), place + 1
    # Unlike `?`, a class may match the separator.
    return f"[{'^' if negated else ''}{inner}]", place + 1


def _member(pattern: str, place: int) -> tuple[str, int]:
    mark = pattern[place : place + 1]
    if mark in ("", "-", "]"):
        raise BadPattern(pattern)
    if mark == "\\":
        place += 1
        mark = pattern[place : place + 1]
        if not mark:
            raise BadPattern(pattern)
    return mark, place + 1
