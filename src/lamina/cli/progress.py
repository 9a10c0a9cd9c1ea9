"""How a transfer looks: one updating block on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, RLock
from typing import TYPE_CHECKING

from lamina.cli.app import App
from lamina.text import escape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import TaskID

    from lamina.transfer.progress import Progress

_WIDTH = 14
"""Columns for what an item does: "Pull complete", "Already exists"."""


@contextmanager
def reporting(app: App, *, quiet: bool, error: bool = False) -> Iterator[Progress]:
    """Where a transfer reports to, for the length of a block.

    `error` writes to standard error, for commands whose output is data.
    """
    from lamina.transfer.progress import Silent

    stream = sys.stderr if error else sys.stdout
    if quiet:
        yield Silent()
    elif not stream.isatty():
        yield Lines(error=error)
    else:
        block = Block(app, error=error)
        try:
            yield block
        finally:
            block.close()


class Lines:
    """A line for each item when it is done: for pipes and logs."""

    def __init__(self, *, error: bool = False) -> None:
        self._error = error
        self._lock = Lock()

    def start(self, item: str, what: str, total: int | None) -> None:
        pass

    def advance(self, item: str, amount: int) -> None:
        pass

    def finish(self, item: str, what: str) -> None:
        self.note(f"{item}: {what}")

    def note(self, line: str) -> None:
        with self._lock:
            print(escape(line), file=sys.stderr if self._error else sys.stdout, flush=True)


class Block:
    """Docker's block: a line for each item with what it does, how far and how fast.

    A note ends the block if everything in it is done; the next item begins a new one.
    """

    def __init__(self, app: App, *, error: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=error, no_color=not app.colored, highlight=False)
        self._display: Display | None = None
        self._tasks: dict[str, TaskID] = {}
        self._notes: list[str] = []
        self._lock = RLock()

    def close(self) -> None:
        """End the block and print the notes that waited for that."""
        with self._lock:
            if self._display is not None:
                self._display.stop()
                self._display = None
                self._tasks.clear()
            for line in self._notes:
                self._console.print(line, markup=False, soft_wrap=True)
            self._notes.clear()

    def start(self, item: str, what: str, total: int | None) -> None:
        with self._lock:
            if self._display is None:
                self._display = _display(self._console)
                self._display.start()
            if (before := self._tasks.pop(item, None)) is not None:
                self._display.remove_task(before)
            self._tasks[item] = self._display.add_task(
                what.ljust(_WIDTH), total=total, item=escape(item)
            )

    def advance(self, item: str, amount: int) -> None:
        if self._display is not None:
            self._display.advance(self._tasks[item], amount)

    def finish(self, item: str, what: str) -> None:
        with self._lock:
            if self._display is None or item not in self._tasks:
                # Nothing moved: a line above the block says it.
                self._console.print(escape(f"{item}: {what}"), markup=False)
                return
            task = self._tasks[item]
            done = self._display.tasks[self._display.task_ids.index(task)].completed
            # What was there may be less than was told (a tar, for a blob); done is done.
            self._display.update(
                task, description=escape(what).ljust(_WIDTH), total=done or 1, completed=done or 1
            )

    def note(self, line: str) -> None:
        with self._lock:
            self._notes.append(escape(line))
            if self._display is None or self._display.finished:
                self.close()


def _display(console: Console) -> Display:
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Display

    return Display(
        TextColumn("{task.fields[item]}: {task.description}", markup=False),
        BarColumn(30),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        refresh_per_second=10,
    )
