"""How a transfer looks: one updating block on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from lamina.cli.app import App
from lamina.text import escape

if TYPE_CHECKING:
    from rich.progress import TaskID

    from lamina.transfer.progress import Progress


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
        with block:
            yield block
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
    """Docker's block: a line for each item with what it does, how far and how fast."""

    def __init__(self, app: App, *, error: bool = False) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Display

        self._console = Console(stderr=error, no_color=not app.colored, highlight=False)
        self._display = Display(
            TextColumn("{task.fields[item]}: {task.description}", markup=False),
            BarColumn(30),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            refresh_per_second=10,
        )
        self._tasks: dict[str, TaskID] = {}
        self._notes: list[str] = []
        self._lock = Lock()

    def __enter__(self) -> Block:
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def close(self) -> None:
        """Print the notes, below the block."""
        for line in self._notes:
            self._console.print(line, markup=False)

    def start(self, item: str, what: str, total: int | None) -> None:
        with self._lock:
            before = self._tasks.pop(item, None)
            if before is not None:
                self._display.remove_task(before)
            self._tasks[item] = self._display.add_task(
                what.ljust(14), total=total, item=escape(item)
            )

    def advance(self, item: str, amount: int) -> None:
        task = self._tasks.get(item)
        if task is not None:
            self._display.advance(task, amount)

    def finish(self, item: str, what: str) -> None:
        if item not in self._tasks:
            self.start(item, what, 0)
        task = self._tasks[item]
        done = self._display.tasks[self._display.task_ids.index(task)].completed
        self._display.update(task, description=escape(what).ljust(14), total=done or 1)
        self._display.update(task, completed=done or 1)

    def note(self, line: str) -> None:
        with self._lock:
            self._notes.append(escape(line))
