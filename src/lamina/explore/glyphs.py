"""The signs that the explorer draws, and an image's texts as this terminal can show them.  Pure."""

from __future__ import annotations

import msgspec

from lamina.explore.tree import State
from lamina.text import escape, escape_lines

STATES = {State.ADDED: "+", State.CHANGED: "~", State.DELETED: "-", State.UNMODIFIED: " "}
"""The sign of each state, in the first column of the tree."""


class Glyphs(msgspec.Struct, frozen=True):
    """What the terminal's encoding has."""

    encoding: str = "utf-8"
    hidden: str = "▒"
    """Of bytes that nobody sees."""
    open: str = "▾"
    closed: str = "▸"
    link: str = "→"
    cursor: str = "▌"
    dot: str = "·"
    more: str = "…"

    @property
    def is_plain(self) -> bool:
        """Whether there are only ASCII signs."""
        return self.hidden.isascii()

    def safe(self, text: str) -> str:
        """What an image wrote as one line that moves no cursor and fits the encoding."""
        return self._encodable(escape(text))

    def safe_lines(self, text: str) -> str:
        """The same for several lines."""
        return self._encodable(escape_lines(text))

    def _encodable(self, text: str) -> str:
        if text.isascii() or not self.is_plain:
            return text
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)


def glyphs(encoding: str) -> Glyphs:
    """The signs of an encoding: plain ones for all but UTF-8."""
    if encoding.lower().replace("-", "").startswith("utf"):
        return Glyphs()
    return Glyphs(encoding, "#", "v", ">", "->", ">", ".", "~")
