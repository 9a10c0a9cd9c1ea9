"""Where in a Dockerfile something stands, and errors that point there.  Pure."""

from __future__ import annotations

import msgspec

from lamina.errors import Invalid

_LONGEST = 160
"""Characters of a line that an excerpt shows."""
_BEFORE = 60
"""Characters that it then shows before the place."""


class Span(msgspec.Struct, frozen=True):
    """A place in a file: lines and columns count from 1."""

    line: int
    column: int
    width: int = 1
    """Characters that the place covers on its line."""
    last_line: int = 0
    """The last line of the instruction; 0 when it is `line`."""


class Source(msgspec.Struct, frozen=True):
    """A Dockerfile's name and lines, for messages."""

    name: str
    lines: tuple[str, ...]

    def excerpt(self, span: Span, note: str = "") -> str:
        """The line at `span` with its number, and a caret line below, with `note` after it.

        Of a line that is very long, the part around the span.
        """
        text = self.lines[span.line - 1] if 0 < span.line <= len(self.lines) else ""
        shown = "".join(mark if mark.isprintable() else " " for mark in text)
        begin = max(0, span.column - _BEFORE) if len(shown) > _LONGEST else 0
        column = span.column - begin
        width = max(1, min(span.width, len(shown) - span.column + 1, _LONGEST - column + 1))
        carets = " " * (column - 1) + "^" * width + (f" {note}" if note else "")
        part = shown[begin : begin + _LONGEST]
        return f"{span.line:>5} │ {part}\n{'':>5} │ {carets}"


class DockerfileError(Invalid):
    """A Dockerfile breaks a rule of its language, or asks for what cannot be done.

    `excerpt` shows the place.
    """

    def __init__(self, source: Source, span: Span, problem: str, *, note: str = "") -> None:
        super().__init__(f"{source.name}:{span.line}: {problem}", hint=note)
        self.span = span
        self.problem = problem
        """The message without its place."""
        self.excerpt = source.excerpt(span, note)
