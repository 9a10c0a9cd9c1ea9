"""The pane of the tree: a sign for what happened, one for what is hidden, sizes, names."""

from __future__ import annotations

from stat import filemode
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.timer import Timer

from lamina.explore.details import Tone, Word
from lamina.explore.glyphs import STATES, Glyphs
from lamina.explore.ink import strip
from lamina.explore.line_list import LineList
from lamina.explore.model import Explorer
from lamina.explore.rows import Row
from lamina.explore.tree import Node, Sort, State
from lamina.layer.entry import Kind
from lamina.text import prose_size

_SLICE = 1500
_PAUSE = 0.01
"""How many rows are made at a time (some 10 ms), and seconds between, for keys to be heard."""
_NEAR = 4000
"""Rows that are made to find where the cursor was: more would be felt."""
_WIDE = 56
"""Columns from which there is room for the hidden bytes."""
_TONES: dict[State, Tone] = {
    State.ADDED: "added",
    State.CHANGED: "changed",
    State.DELETED: "deleted",
    State.UNMODIFIED: "",
}
_LETTERS = {
    Kind.FILE: "-",
    Kind.HARDLINK: "-",
    Kind.SYMLINK: "l",
    Kind.CHAR: "c",
    Kind.BLOCK: "b",
    Kind.DIRECTORY: "d",
    Kind.FIFO: "p",
}


class TreePane(LineList):
    """The rows of the explorer's tree."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "fold", show=False),
        Binding("right,l", "open", show=False),
        Binding("left,h", "close", show=False),
        # What terminals send for Ctrl+Space is NUL, which is Ctrl+@.
        Binding("ctrl+@,ctrl+space,e", "app.toggle_all", show=False),
        Binding("enter", "app.view", show=False),
        Binding("ctrl+a,a", "app.toggle_state('added')", show=False),
        Binding("ctrl+r,r", "app.toggle_state('deleted')", show=False),
        Binding("ctrl+m,m", "app.toggle_state('changed')", show=False),
        Binding("ctrl+u,u", "app.toggle_state('unmodified')", show=False),
        Binding("ctrl+b,b", "attributes", show=False),
    ]

    def __init__(self, explorer: Explorer, glyphs: Glyphs) -> None:
        super().__init__(id="tree")
        self._explorer = explorer
        self._glyphs = glyphs
        self._attributes = False
        self._growth: Timer | None = None

    def on_mount(self) -> None:
        self._grow()

    @property
    def node(self) -> Node | None:
        """The node under the cursor; None in an empty tree."""
        row = self._explorer.rows.upto(self.cursor)
        return row.node if row else None

    def reach(self, place: int) -> int:
        self._explorer.rows.upto(place)
        return self._explorer.rows.made

    def follow(self, path: str, *, far: bool = False) -> None:
        """Draw new rows, with the cursor on a path or on the directory that it is folded in.

        Unless `far`, a path that a screen's time does not reach is left for the top.
        """
        rows = self._explorer.rows
        place = rows.find(self._explorer.shown_as(path), within=None if far else _NEAR)
        self.renew(place or 0)
        if self._growth is None:
            self._grow()

    def _grow(self) -> None:
        """Make the rows that nobody has looked at, a few at a time, so that no key waits."""
        self._growth = None
        rows = self._explorer.rows
        if rows.is_whole:
            return
        rows.grow(_SLICE)
        if rows.is_whole:
            self.measure()
        else:
            self._growth = self.set_timer(_PAUSE, self._grow)

    def draw(self, place: int, width: int) -> Strip:
        row = self._explorer.rows.upto(place)
        if row is None:
            return Strip.blank(width)
        is_here = place == self.cursor
        words = [
            Word(self._glyphs.cursor if is_here else " ", "head"),
            *self._columns(row.node, width),
            Word("  " * row.depth),
            *self._label(row),
        ]
        return strip(words, self._glyphs, width, reverse=is_here and self.has_focus)

    def _columns(self, node: Node, width: int) -> list[Word]:
        tone = _TONES[node.state]
        words = [
            Word(STATES[node.state], tone),
            Word(self._glyphs.hidden if node.hidden else " ", "hidden"),
        ]
        if self._attributes:
            words.append(Word(f" {_mode(node)} {node.entry.uid:>4}:{node.entry.gid:<4}", "dim"))
        has_size = node.entry.kind in (Kind.FILE, Kind.HARDLINK, Kind.DIRECTORY)
        words.append(Word(f" {prose_size(node.size) if has_size else '':>8} ", tone))
        if width >= _WIDE or self._explorer.sort is Sort.HIDDEN:
            words.append(Word(f"{prose_size(node.hidden) if node.hidden else '':>8} ", "hidden"))
        return words

    def _label(self, row: Row) -> list[Word]:
        node = row.node
        name = node.path.rpartition("/")[2]
        sign = self._glyphs.open if row.is_open else self._glyphs.closed
        slash = "/" if node.is_directory else ""
        words = [
            Word(f"{sign if node.holds else ' '} "),
            Word(name + slash, _TONES[node.state]),
        ]
        if node.entry.kind is Kind.SYMLINK:
            words.append(Word(f" {self._glyphs.link} {node.entry.link}", "dim"))
        return words

    def action_fold(self) -> None:
        """Open or close the directory under the cursor."""
        self._explorer.rows.toggle(self.cursor)
        self.renew(self.cursor)

    def action_open(self) -> None:
        """Open a closed directory; in an open one, go to what is in it."""
        row = self._explorer.rows.upto(self.cursor)
        if row is None or not row.node.holds:
            return
        if row.is_open:
            self.move_to(self.cursor + 1)
        else:
            self.action_fold()

    def action_close(self) -> None:
        """Close an open directory; from anything else go to the directory that it is in."""
        row = self._explorer.rows.upto(self.cursor)
        if row is None:
            return
        if row.is_open:
            self.action_fold()
        elif (parent := self._explorer.rows.parent(self.cursor)) is not None:
            self.move_to(parent)

    def action_attributes(self) -> None:
        """Show or hide modes and owners."""
        self._attributes = not self._attributes
        self.refresh()


def _mode(node: Node) -> str:
    """As `ls` writes it."""
    return _LETTERS[node.entry.kind] + filemode(node.entry.mode)[1:]
