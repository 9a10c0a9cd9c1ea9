"""The lines of a Dockerfile, joined where one continues another.  Pure."""

from __future__ import annotations

import re

from lamina.dockerfile.instruction import Comment
from lamina.dockerfile.source import DockerfileError, Source, Span
from lamina.dockerfile.spaces import SPACES

MAX_LINE = 65535
"""Bytes in one line of the file."""


class Logical:
    """A line with those that continue it."""

    def __init__(self, comments: tuple[Comment, ...]) -> None:
        self.text = ""
        self.offsets: list[tuple[int, int, int]] = []
        """Where pieces of `text` come from: (offset, line, column)."""
        self.comments = comments
        self.blank_lines: list[int] = []

    def add(self, piece: str, line: int, column: int) -> None:
        """Append a piece that stands at `line` and `column`."""
        self.offsets.append((len(self.text), line, column))
        self.text += piece


class Lines:
    """Walks over a file's lines once.  Raises DockerfileError for one that is too long."""

    def __init__(self, name: str, text: str, escape: str = "\\") -> None:
        self.raw = text.split("\n")
        if not self.raw[-1]:
            self.raw.pop()
        self.source = Source(name, tuple(line.rstrip("\r") for line in self.raw))
        self.number = 0
        """How many lines are read."""
        self.use_escape(escape)
        for number, line in enumerate(self.raw, 1):
            if len(line) > MAX_LINE or (
                len(line) > MAX_LINE // 4 and len(line.encode("utf-8", "surrogatepass")) > MAX_LINE
            ):
                raise DockerfileError(
                    self.source, Span(number, 1), f"a line of more than {MAX_LINE} bytes"
                )

    def use_escape(self, escape: str) -> None:
        """Continue lines that end with this character, unless it stands twice."""
        mark = re.escape(escape)
        self._continuation = re.compile(rf"(?:(?<=[^{mark}])|^){mark}[ \t]*$")

    def next(self) -> Logical | None:
        """The next instruction's line, without comments and blank lines; None at the end."""
        comments: list[Comment] = []
        while self.number < len(self.raw):
            line = self.source.lines[self.number]
            self.number += 1
            stripped = line.lstrip(SPACES)
            if stripped.startswith("#"):
                if text := stripped[1:].strip(SPACES):
                    comments.append(Comment(self.number, text))
                else:
                    comments.clear()
            elif stripped:
                logical = Logical(tuple(comments))
                self._read(logical, stripped, len(line) - len(stripped))
                return logical
        return None

    def _read(self, logical: Logical, piece: str, indent: int) -> None:
        while match := self._continuation.search(piece):
            logical.add(piece[: match.start()], self.number, indent + 1)
            indent = 0
            if (following := self._continued(logical)) is None:
                return
            piece = following
        logical.add(piece, self.number, indent + 1)

    def _continued(self, logical: Logical) -> str | None:
        while self.number < len(self.raw):
            line = self.source.lines[self.number]
            self.number += 1
            stripped = line.lstrip(SPACES)
            if not stripped:
                logical.blank_lines.append(self.number)
            elif not stripped.startswith("#"):
                return line
        return None

    def document(self, end: str, *, indented: bool) -> str | None:
        """The lines down to one that is `end`, which may be `indented` with tabs; None when
        there is no such line."""
        content: list[str] = []
        while self.number < len(self.raw):
            line = self.raw[self.number]
            last = self.number == len(self.raw) - 1
            self.number += 1
            mark = line.rstrip("\r")
            if (mark.lstrip("\t") if indented else mark) == end:
                return "".join(content)
            content.append(line if last else line + "\n")
        return None
