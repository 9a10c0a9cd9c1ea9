"""The pane of layers: the whole image first, then its layers from the top."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.strip import Strip

from lamina.explore.details import Tone, Word
from lamina.explore.glyphs import Glyphs
from lamina.explore.ink import strip
from lamina.explore.line_list import LineList
from lamina.explore.model import Explorer
from lamina.text import prose_size

_BAR = 5


class LayersPane(LineList):
    """One line a layer: its label, size, the share of it that is hidden, its instruction."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+a", "app.aggregate(True)", show=False),
        Binding("ctrl+l", "app.aggregate(False)", show=False),
        Binding("right,l,enter", "app.other_pane", show=False),
    ]

    def __init__(self, explorer: Explorer, glyphs: Glyphs) -> None:
        super().__init__(id="layers")
        self._explorer = explorer
        self._glyphs = glyphs
        labels = [explorer.stack.label(place) for place in range(len(explorer.stack))]
        self._label_width = max(map(len, ["all", *labels]))

    @property
    def selected(self) -> int | None:
        """The layer under the cursor; None for the whole image."""
        return self._explorer.layers[self.cursor]

    def place(self, layer: int | None) -> int:
        """The line of a layer."""
        return self._explorer.layers.index(layer)

    def reach(self, place: int) -> int:
        return len(self._explorer.layers)

    def draw(self, place: int, width: int) -> Strip:
        stack, layer = self._explorer.stack, self._explorer.layers[place]
        if layer is None:
            label, what = "all", stack.name
            size, hidden = stack.account.bytes, stack.account.hidden_bytes
        else:
            label, what = stack.label(layer), stack.origins[layer].instruction[:width]
            size = stack.account.layers[layer].bytes
            hidden = stack.account.layers[layer].hidden_bytes
        is_base = layer is not None and stack.base is not None and layer < stack.base.layers
        tone: Tone = "head" if layer is None else "dim" if is_base else ""
        is_here = place == self.cursor
        words = [
            Word(self._glyphs.cursor if is_here else " ", "head"),
            Word(f"{label:>{self._label_width}} {prose_size(size):>8} ", tone),
            *self._bar(hidden, size),
            Word(" " + what, tone),
        ]
        return strip(words, self._glyphs, width, reverse=is_here and self.has_focus)

    def _bar(self, hidden: int, size: int) -> list[Word]:
        """The hidden share of a size; whatever is hidden at all shows."""
        filled = min(_BAR, -(-hidden * _BAR // size)) if size else 0
        if not filled:
            return [Word(" " * _BAR)]
        return [
            Word(self._glyphs.hidden * filled, "hidden"),
            Word(self._glyphs.dot * (_BAR - filled), "dim"),
        ]
