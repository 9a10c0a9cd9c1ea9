"""What covers the explorer for a while: the content of a file, and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from lamina.explore import ink
from lamina.explore.details import Line, Word
from lamina.explore.glyphs import STATES, Glyphs
from lamina.explore.keys import HELP
from lamina.explore.tree import State
from lamina.text import width


class Cover(ModalScreen[None]):
    """Goes with Escape, q, or the key that brought it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss", show=False)
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(classes="ascii" if glyphs.is_plain else "")
        self._glyphs = glyphs


class Content(ScrollView, can_focus=True):
    """Lines of text that do not wrap."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("left,h", "scroll_left", show=False),
        Binding("right,l", "scroll_right", show=False),
        Binding("pageup,b", "page_up", show=False),
        Binding("pagedown,space", "page_down", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
    ]

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._lines = lines
        self.virtual_size = Size(max(map(width, lines), default=0), len(lines))

    def render_line(self, y: int) -> Strip:
        x, top = self.scroll_offset
        columns = self.scrollable_content_region.width
        at = y + top
        if at >= len(self._lines):
            return Strip.blank(columns)
        line = ink.plain(self._lines[at])
        return line.crop(x, x + columns).adjust_cell_length(columns)


class Preview(Cover):
    """The content of a file."""

    def __init__(self, title: Line, lines: Sequence[str], glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        content = Content(self._lines)
        content.border_title = ink.text([self._title], self._glyphs)
        content.border_subtitle = ink.text([[Word("Esc closes", "dim")]], self._glyphs)
        yield content


class Help(Cover):
    """The keys, and what the signs mean."""

    def compose(self) -> ComposeResult:
        box = VerticalScroll(Static(ink.text(_help(self._glyphs), self._glyphs)))
        box.border_title = ink.text([[Word("keys", "head")]], self._glyphs)
        box.border_subtitle = ink.text([[Word("Esc closes", "dim")]], self._glyphs)
        yield box

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(VerticalScroll).focus()


def _help(glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    for group, keys in HELP:
        lines.append([Word(group, "head")])
        lines += [[Word(f"  {key:<21}"), Word(what, "dim")] for key, what in keys]
    lines.append([Word("Signs", "head")])
    lines.append(
        [
            Word(f"  {STATES[State.ADDED]} added", "added"),
            Word(f"   {STATES[State.CHANGED]} modified", "changed"),
            Word(f"   {STATES[State.DELETED]} deleted", "deleted"),
            Word(f"   {glyphs.hidden} shipped, and nobody sees it", "hidden"),
        ]
    )
    return lines
