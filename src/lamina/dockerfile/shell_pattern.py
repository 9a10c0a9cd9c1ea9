"""The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?` and an escape, no brackets.  Pure.

Neither wildcard matches a line's end, as in the regular expressions of Go.
"""

from __future__ import annotations

import re

from lamina.errors import Invalid


class BadShellPattern(Invalid):
    """A pattern with an escape before nothing, or before what needs none."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"not a pattern: {pattern!r}", hint=r"an escape stands before * ? \ / or }"
        )


def without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without what matches at its begin.  Raises BadShellPattern."""
    match = re.match("".join(_pieces(pattern, greedy=longest)), value)
    return value[match.end() :] if match else value


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without what matches at its end.  Raises BadShellPattern."""
    # Backwards the shortest match is the first that is found, as it is for a prefix.
    backwards = "".join(reversed(_pieces(pattern, greedy=longest)))
    match = re.match(backwards, value[::-1])
    return value[: len(value) - match.end()] if match else value


def replaced(value: str, pattern: str, replacement: str, *, every: bool) -> str:
    """`value` with the longest match, or every one, replaced.  Raises BadShellPattern."""
    parts: list[str] = []
    done = -1
    for match in re.finditer("".join(_pieces(pattern, greedy=True)), value):
        if match.start() == match.end() == done:
            continue  # Go finds no empty match where another has just ended
        parts += [value[max(done, 0) : match.start()], replacement]
        done = match.end()
        if not every:
            break
    return "".join([*parts, value[max(done, 0) :]])


def _pieces(pattern: str, *, greedy: bool) -> list[str]:
    """Regular expressions of the pattern's single marks, in order."""
    pieces: list[str] = []
    marks = iter(pattern)
    for mark in marks:
        if mark == "*":
            pieces.append(".*" if greedy else ".*?")
        elif mark == "?":
            pieces.append(".")
        elif mark == "\\":
            follows = next(marks, "")
            if not follows or follows not in "*?\\/}":
                raise BadShellPattern(pattern)
            pieces.append(re.escape(follows))
        else:
            pieces.append(re.escape(mark))
    return pieces
