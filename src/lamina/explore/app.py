"""The terminal explorer: layers, their tree, and what there is to say of both."""

from __future__ import annotations

import asyncio
import signal
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input, Static

from lamina.errors import EngineError
from lamina.explain.stack import Stack
from lamina.explore import contents, details, ink, titles
from lamina.explore.details import Line, Word
from lamina.explore.details_pane import DetailsPane
from lamina.explore.glyphs import Glyphs
from lamina.explore.layers_pane import LayersPane
from lamina.explore.line_list import LineList
from lamina.explore.model import Explorer
from lamina.explore.screens import Help, Preview
from lamina.explore.tree import Node, State
from lamina.explore.tree_pane import TreePane
from lamina.layer.entry import Kind

_TYPED = 0.04
"""Seconds after a letter of the filter until it is applied: the next one may be under way."""

_PAUSE = 0.02
"""Seconds between two pieces of work that nobody has asked for."""


class ExplorerApp(App[None]):
    """Look around in an image or a container.

    Raises LayerDamaged when it is made, before anything is drawn.
    """

    CSS_PATH = "style.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("tab,shift+tab", "other_pane", show=False, priority=True),
        # What moves the focus is done before the next key is looked at, however fast they come.
        Binding("slash,ctrl+f", "filter", show=False, priority=True),
        Binding("enter", "keep_filter", show=False, priority=True),
        Binding("escape", "unfilter", show=False, priority=True),
        Binding("q", "quit", show=False),
        Binding("s,ctrl+o", "sort", show=False),
        Binding("c", "cause", show=False),
        Binding("left_square_bracket", "scroll_details(-1)", show=False),
        Binding("right_square_bracket", "scroll_details(1)", show=False),
        Binding("question_mark,f1", "help", show=False),
    ]

    def __init__(self, stack: Stack, glyphs: Glyphs) -> None:
        super().__init__(ansi_color=True)
        self.explorer = Explorer(stack)
        self.glyphs = glyphs
        self._layers_pane = LayersPane(self.explorer, glyphs)
        self._tree_pane = TreePane(self.explorer, glyphs)
        self._details_pane = DetailsPane(details.of_image(self.explorer), glyphs)
        self._filter_input = Input(id="filter", placeholder="a part of the path, or *.log")
        self._filter_input.display = False
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(self._text(titles.headline(self.explorer.stack)), id="title")
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield self._layers_pane
                yield self._details_pane
            with Vertical(id="right"):
                yield self._tree_pane
                yield self._filter_input
        yield Static(self._text(titles.reminder()), id="footer")
        self._layers_pane.border_title = self._text([Word("layers")])
        self._title_tree()

    def on_mount(self) -> None:
        self.screen.set_class(self.glyphs.is_plain, "ascii")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)  # the terminal must get its screen back
        self.set_focus(self._layers_pane)
        self._prepare()

    def _prepare(self) -> None:
        """Get ready for a filter, a little at a time, so that no key waits."""
        if self.explorer.prepare():
            self.set_timer(_PAUSE, self._prepare)

    def on_line_list_moved(self, message: LineList.Moved) -> None:
        if (
            message.sender is self._layers_pane
            and self._layers_pane.selected != self.explorer.layer
        ):
            path = self._path
            self.explorer.look_at(self._layers_pane.selected)
            self._show(path)
        self._describe()

    def on_descendant_focus(self) -> None:
        self._describe()

    @property
    def _path(self) -> str:
        """Where the tree's cursor is."""
        node = self._tree_pane.node
        return node.path if node else ""

    def _show(self, path: str, *, far: bool = False) -> None:
        """Draw the explorer's tree anew, with the cursor on a path."""
        self._tree_pane.follow(path, far=far)
        self._title_tree()
        self._say("")

    def _title_tree(self) -> None:
        self._tree_pane.border_title = self._text(titles.tree_title(self.explorer))
        self._tree_pane.border_subtitle = self._text(titles.tree_subtitle(self.explorer))

    def _describe(self) -> None:
        """Say what there is to say of what is under the cursor."""
        node = self._tree_pane.node
        if self.focused is not self._layers_pane and node is not None:
            self._details_pane.tell(details.of_node(self.explorer, node))
        elif self.explorer.layer is None:
            self._details_pane.tell(details.of_image(self.explorer))
        else:
            self._details_pane.tell(details.of_layer(self.explorer, self.explorer.layer))

    def _say(self, text: str) -> None:
        """Tell something in the last line, or show there what keys there are."""
        line = self._text([Word(text)] if text else titles.reminder())
        self.query_one("#footer", Static).update(line, layout=False)

    def _text(self, line: Line) -> Text:
        return ink.text([line], self.glyphs)

    def action_other_pane(self) -> None:
        """From the layers to the tree, from anywhere else to the layers."""
        is_left = self.focused is self._filter_input or self.focused is self._layers_pane
        self.set_focus(self._tree_pane if is_left else self._layers_pane)

    def action_aggregate(self, aggregated: bool) -> None:
        """Mark the changes of all layers, or of one."""
        path = self._path
        self.explorer.mark(aggregated=aggregated)
        self._show(path)

    def action_toggle_state(self, state: str) -> None:
        """Leave out what is in a state, or show it."""
        path = self._path
        self.explorer.toggle_state(State(state))
        self._show(path)

    def action_toggle_all(self) -> None:
        """Open or close all directories."""
        path = self._path
        self.explorer.toggle_all()
        self._show(path)

    def action_sort(self) -> None:
        """Another order."""
        self.explorer.sort_next()
        self._show("")

    def action_cause(self) -> None:
        """Look at the layer that hid, deleted or wrote what is under the cursor."""
        node = self._tree_pane.node
        if node is None or not self.explorer.cause(node):
            self._say("no other layer has to do with it")
            return
        self._layers_pane.move_to(self._layers_pane.place(self.explorer.layer))
        self._show(node.path, far=True)
        self.set_focus(self._tree_pane)
        self._describe()

    def action_view(self) -> None:
        """Open a directory, or look into a file."""
        node = self._tree_pane.node
        if node is not None and node.is_directory:
            self._tree_pane.action_fold()
        elif node is not None:
            self._preview(node)

    def _preview(self, node: Node) -> None:
        file = self.explorer.stack.union.file_of(node.entry)
        if file is None:
            to = f" to {node.entry.link}" if node.entry.kind is Kind.SYMLINK else ""
            self._say(f"/{node.path} has no content: it is a {details.noun(node)}{to}")
            return
        try:
            with self.explorer.stack.open(node.layer, file) as stream:
                data = stream.read(contents.FIRST)
        except (EngineError, OSError) as error:
            self._say(f"/{node.path} cannot be read: {error}")
            return
        title = titles.preview_title(self.explorer, node, len(data), file.size)
        self.push_screen(Preview(title, contents.lines(data, self.glyphs), self.glyphs))

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help(self.glyphs))

    def action_scroll_details(self, lines: int) -> None:
        """Scroll the text below the layers."""
        self._details_pane.scroll_relative(y=lines, animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave a key to who has the focus where it means something else."""
        if action in ("filter", "keep_filter", "unfilter", "other_pane"):
            is_typing = self.focused is self._filter_input
            wanted = {"filter": not is_typing, "keep_filter": is_typing}
            return not self.screen.is_modal and wanted.get(action, True)
        return True

    def action_filter(self) -> None:
        """Type what paths must have."""
        self._filter_input.display = True
        self.set_focus(self._filter_input)

    def action_keep_filter(self) -> None:
        """Go to what was found."""
        self._filter_input.display = bool(self._filter_input.value)
        self.set_focus(self._tree_pane)

    def action_unfilter(self) -> None:
        """Show all paths again."""
        self._filter_input.value = ""
        self._filter_input.display = False
        if self.focused is self._filter_input:
            self.set_focus(self._tree_pane)
        self._apply_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPED, self._apply_filter)

    def _apply_filter(self) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
        if self._filter_input.value != self.explorer.pattern:
            path = self._path
            self.explorer.filter(self._filter_input.value)
            self._show(path)
            self._describe()
