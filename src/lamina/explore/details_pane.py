"""The pane that tells of what is under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lamina.explore import ink
from lamina.explore.details import Line
from lamina.explore.glyphs import Glyphs


class DetailsPane(ScrollView, can_focus=False):
    """Lines of words, wrapped.  It is drawn with every key, so it never asks for a layout."""

    def __init__(self, lines: Sequence[Line], glyphs: Glyphs) -> None:
        super().__init__(id="details")
        self._told = lines
        self._glyphs = glyphs
        self._strips: Sequence[Strip] = ()

    def tell(self, lines: Sequence[Line]) -> None:
        """Show other lines, from the first on."""
        self._told = lines
        self._wrap()
        self.scroll_to(y=0, animate=False, immediate=True)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self._wrap()

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        columns = self.scrollable_content_region.width
        if at >= len(self._strips):
            return Strip.blank(columns)
        return self._strips[at].adjust_cell_length(columns)

    def _wrap(self) -> None:
        # One column less than there may be: the scroll bar must not wrap all anew.
        columns = max(1, self.content_region.width - 1)
        console = self.app.console
        text = ink.text(self._told, self._glyphs)
        self._strips = [
            Strip(line.render(console)) for line in text.wrap(console, columns, no_wrap=False)
        ]
        self.virtual_size = Size(0, len(self._strips))
