"""A terminal: what stands on it after what was written, wrapped lines and all."""

from __future__ import annotations

import re

from lamina.text import width

_PIECE = re.compile(r"\x1b\[(?P<count>\d*)(?P<move>[AJKm])|(?P<odd>\x1b)|(?P<text>.)", re.DOTALL)


class Screen:
    """As wide as told, as high as needed; lines that are too long go on in the next."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lines: list[str] = [""]
        self._row = 0
        self._column = 0

    def write(self, text: str) -> None:
        """Draw; an escape sequence that a build has no use for is an AssertionError."""
        for piece in _PIECE.finditer(text):
            assert piece["odd"] is None, text
            if piece["move"] is not None:
                self._sequence(piece["move"], int(piece["count"] or 1))
            elif piece["text"] == "\n":
                self._down()
            elif piece["text"] == "\r":
                self._column = 0
            else:
                self._put(piece["text"])

    def _sequence(self, move: str, count: int) -> None:
        if move == "A":
            assert count <= self._row, "the cursor went above what was drawn"
            self._row -= count
        elif move == "K":
            self._lines[self._row] = self._lines[self._row][: self._column]
        elif move == "J":
            self._lines[self._row] = self._lines[self._row][: self._column]
            del self._lines[self._row + 1 :]

    def _down(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._lines):
            self._lines.append("")

    def _put(self, character: str) -> None:
        if self._column + width(character) > self._columns:
            self._down()
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
        self._column += 1

    @property
    def text(self) -> str:
        """What stands there, line by line."""
        return "\n".join(line.rstrip() for line in self._lines).rstrip("\n")
