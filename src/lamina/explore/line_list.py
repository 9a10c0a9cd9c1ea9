"""A list of any length with a cursor: only the lines on the screen are ever drawn."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lamina.explore import ink


class LineList(ScrollView, can_focus=True):
    """Lines, one of them under the cursor.  A subclass says how many there are, and draws them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
    ]

    class Moved(Message):
        """The cursor is on another line, or on another thing."""

        def __init__(self, sender: LineList) -> None:
            super().__init__()
            self.sender = sender

    cursor: int = 0
    empty = "nothing here"
    """What is said where there are no lines."""

    def reach(self, place: int) -> int:
        """How many lines there are, when at least all up to `place` are counted."""
        raise NotImplementedError

    def draw(self, place: int, width: int) -> Strip:
        """One line, `width` columns wide."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        place = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if place < self.reach(place):
            return self.draw(place, width)
        text = self.empty if not place else ""
        return Strip([Segment(text, ink.STYLES["dim"])]).adjust_cell_length(width)

    def renew(self, cursor: int) -> None:
        """Draw all lines anew, with the cursor on one of them."""
        self.cursor = max(0, min(cursor, self.reach(cursor) - 1))
        self.measure()
        self.show_cursor()
        self.refresh()
        self.post_message(self.Moved(self))

    def measure(self) -> None:
        """Take over how many lines there are."""
        self.virtual_size = Size(0, self.reach(self.cursor + self.size.height))

    def show_cursor(self) -> None:
        """Scroll as far as the cursor needs."""
        self.scroll_to_region(
            Region(0, self.cursor, 1, 1), animate=False, force=True, immediate=True
        )

    def move_to(self, place: int) -> None:
        """Put the cursor on a line, or on the first or last one."""
        place = max(0, min(place, self.reach(place) - 1))
        if place == self.cursor:
            return
        before, self.cursor = self.cursor, place
        self.measure()
        top = self.scroll_offset.y
        self.show_cursor()
        if self.scroll_offset.y == top:
            self.refresh_lines(before - top, 1)
            self.refresh_lines(place - top, 1)
        self.post_message(self.Moved(self))

    def action_move(self, lines: int) -> None:
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        self.move_to(self.cursor + pages * max(1, self.scrollable_content_region.height - 1))

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(1 << 40)

    def on_resize(self, event: events.Resize) -> None:
        self.measure()
        self.show_cursor()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is not None:
            self.move_to(place.y + self.scroll_offset.y)
