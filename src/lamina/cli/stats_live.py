"""The table of `lamina stats` on a terminal: as wide as that is, and always on the same place."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lamina.cli.format import emit, render
from lamina.text import width

if TYPE_CHECKING:
    from lamina.cli.app import App

Rows = Sequence[Mapping[str, object]]
_LEAST = ("ID", "BlockIO", "MemPerc", "NetIO")
"""Columns that are left out where there is no room for all, the first one first."""
_SHORTEST = 12
"""Letters that are left of a long name at least."""


def fitted(rows: Rows, columns: Mapping[str, str], wide: int) -> str:
    """The table in lines no longer than `wide`: long names are cut, then columns left out."""
    shown = dict(columns)
    for field in ("", *_LEAST):
        shown.pop(field, None)
        text = render(rows, "", shown)
        over = max(map(width, text.splitlines())) - wide
        longest = max((width(str(row["Name"])) for row in rows), default=0)
        if over <= 0:
            return text
        if longest - over >= _SHORTEST:
            return render(_cut(rows, longest - over), "", shown)
    return render(_cut(rows, _SHORTEST), "", shown)


def _cut(rows: Rows, most: int) -> Rows:
    return [{**row, "Name": _shortened(str(row["Name"]), most)} for row in rows]


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def show(app: App, looks: Iterator[Rows], columns: Mapping[str, str], fmt: str) -> None:
    """Show one look after the other until Ctrl-C, or there are no more; the last one stays."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not app.colored, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it leaves the screen as it was
    last: Rows | None = None

    def text(rows: Rows) -> str:
        return render(rows, fmt, columns) if fmt else fitted(rows, columns, console.width)

    try:
        with Live(console=console, auto_refresh=False, screen=True) as live:
            for last in looks:
                shown = Text(text(last).rstrip("\n"), no_wrap=True, overflow="crop")
                live.update(shown, refresh=True)
    except KeyboardInterrupt:
        pass  # that is how one ends it
    if last is not None:
        emit(text(last))
