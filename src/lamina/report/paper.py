"""The paper of reports: columns, colour by meaning, what the reader's terminal has.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import msgspec

from lamina.text import clip, escape, width

Meaning = Literal["", "visible", "hidden", "deleted", "base", "head"]

_COLOURS = {"visible": "32", "hidden": "31", "deleted": "33", "base": "2", "head": "1"}
_PLAIN = str.maketrans("█░…–→↓−├└│─", "#.~->v-|`|-")
_GAP = 3
_NARROWEST = 12
_BAR = 12


class Cell(NamedTuple):
    """A text and what it means."""

    text: str
    meaning: Meaning = ""


class Paper(msgspec.Struct, frozen=True):
    """What the reader's terminal can show."""

    width: int = 100
    """Columns."""
    colored: bool = False
    unicode: bool = True

    def write(self, *cells: Cell) -> str:
        """Cells one after another; all that an image wrote is escaped."""
        return "".join(self._ink(self._plain(escape(text)), meaning) for text, meaning in cells)

    def prose(self, text: str, meaning: Meaning = "") -> str:
        """A sentence, indented as a grid is, in as many lines as it takes; every line is ended."""
        lines = [""]
        for word in escape(text).split(" "):
            if lines[-1] and width(lines[-1]) + 1 + width(word) > self.width - _GAP:
                lines.append("")
            lines[-1] += f" {word}" if lines[-1] else word
        return "".join(" " * _GAP + self.write(Cell(line, meaning)) + "\n" for line in lines)

    def bar(self, share: float) -> str:
        """A share of 1 as a bar."""
        filled = round(share * _BAR)
        return "█" * filled + "░" * (_BAR - filled)

    def grid(
        self, rows: Sequence[Sequence[Cell]], *, right: Collection[int] = (), stretch: int
    ) -> str:
        """Rows in columns; the column `stretch` gives way when the width does not suffice.

        Every line is ended.  All that an image wrote is escaped.
        """
        if not rows:
            return ""
        texts = [[escape(cell.text) for cell in row] for row in rows]
        spans = [[width(text) for text in line] for line in texts]
        widths = [max(column) for column in zip(*spans, strict=True)]
        used = sum(widths) + _GAP * sum(1 for each in widths if each)
        if used > self.width:
            widths[stretch] = max(
                min(_NARROWEST, widths[stretch]), widths[stretch] - used + self.width
            )
        lines = []
        for row, line, taken in zip(rows, texts, spans, strict=True):
            parts = []
            for place, text in enumerate(line):
                if not widths[place]:
                    continue
                shown, span = text, taken[place]
                if span > widths[place]:
                    shown = clip(text, widths[place])
                    span = width(shown)
                fill = " " * (widths[place] - span)
                inked = self._ink(self._plain(shown), row[place].meaning)
                parts.append(fill + inked if place in right else inked + fill)
            lines.append(" " * _GAP + (" " * _GAP).join(parts).rstrip(" ") + "\n")
        return "".join(lines)

    def _plain(self, text: str) -> str:
        return text if self.unicode else text.translate(_PLAIN)

    def _ink(self, text: str, meaning: Meaning) -> str:
        if not self.colored or not meaning or not text:
            return text
        return f"\x1b[{_COLOURS[meaning]}m{text}\x1b[0m"
