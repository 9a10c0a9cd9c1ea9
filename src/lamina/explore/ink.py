"""The explorer's colours: the terminal's own, by meaning, and never the only sign."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from lamina.explore.details import Line, Tone
from lamina.explore.glyphs import Glyphs

STYLES: dict[Tone, Style] = {
    "": Style(),
    "head": Style(bold=True),
    "dim": Style(dim=True),
    "added": Style(color="green"),
    "changed": Style(color="cyan"),
    "deleted": Style(color="yellow"),
    "hidden": Style(color="red"),
}
CURSOR = Style(reverse=True)


def strip(words: Line, glyphs: Glyphs, width: int, *, reverse: bool = False) -> Strip:
    """A line of exactly `width` columns; what an image wrote is made safe.  Reversed it has one
    colour: that of the cursor."""
    line = Strip(
        [Segment(glyphs.safe(text), CURSOR if reverse else STYLES[tone]) for text, tone in words]
    )
    if line.cell_length > width:
        line = Strip([*line.crop(0, max(0, width - 1)), Segment(glyphs.more)])
    return line.adjust_cell_length(width, CURSOR if reverse else None)


def text(lines: Sequence[Line], glyphs: Glyphs) -> Text:
    """Lines as a text that wraps; what an image wrote is made safe, and no markup."""
    shown = Text()
    for at, words in enumerate(lines):
        if at:
            shown.append("\n")
        for word, tone in words:
            shown.append(glyphs.safe(word), STYLES[tone])
    return shown


def plain(line: str) -> Strip:
    """A line that is safe already."""
    return Strip([Segment(line)])
