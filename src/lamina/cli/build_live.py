"""A build on a terminal: finished tasks become rows, the others are one block below them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import TextIO

from lamina.cli.build_plain import Quiet
from lamina.cli.build_rows import Line, Part, block, canceled, failed, row
from lamina.cli.build_view import Ending, Task
from lamina.text import width

_INKS = {"dim": "\x1b[2m", "red": "\x1b[31m"}
_OFF = "\x1b[0m"
_REFRESH = 0.1
"""Seconds between two drawings."""
_UP, _END_OF_LINE, _BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"


class Live(Quiet):
    """Draws with a thread of its own, so that time goes on while a step prints nothing.

    Each drawing is one write over the one before; nothing is cleared first, so nothing
    flickers, and no mode of the terminal is changed, so none can be left behind.
    """

    speaks = True
    shows_failures = True

    def __init__(
        self,
        stream: TextIO,
        *,
        colored: bool,
        now: Callable[[], float] = time.monotonic,
        size: Callable[[], os.terminal_size] | None = None,
        refresh: float = _REFRESH,
    ) -> None:
        super().__init__(now)
        self._stream = stream
        self._colored = colored
        self._size = size or (lambda: _size_of(stream))
        self._refresh = refresh
        self._rows: list[Line] = []
        self._drawn: list[Line] = []
        self._columns = 0
        self._over = Event()
        self._ticker: Thread | None = None

    def begin(self, task: Task) -> None:
        super().begin(task)
        if self._ticker is None:
            self._ticker = Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()

    def end(self, task: Task, ending: Ending) -> None:
        super().end(task, ending)
        self._rows += row(task, ending, self._size().columns)

    def fail(self, task: Task, problem: str) -> None:
        going = self.going[task.digest]
        super().fail(task, problem)
        self._rows += failed(going, self.now(), self._size().columns)

    def say(self, line: str) -> None:
        with self.lock:
            self._rows.append((Part(line),))
            self.draw()

    def close(self) -> None:
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        columns = self._size().columns
        self._rows += [canceled(each, self.now(), columns) for each in self.going.values()]
        self.going.clear()
        self.draw()

    def draw(self) -> None:
        """Bring the terminal up to date, if it is not."""
        columns, lines = self._size()
        drawn = block(list(self.going.values()), self.now(), columns, max(1, lines - 2))
        if drawn == self._drawn and columns == self._columns and not self._rows:
            return
        back = sum(_height(line, columns) for line in self._drawn)
        text = "\r" + (_UP.format(back) if back else "")
        text += "".join(self._written(line) for line in (*self._rows, *drawn))
        self._stream.write(text + _BELOW)
        self._stream.flush()
        self._rows, self._drawn, self._columns = [], drawn, columns

    def _tick(self) -> None:
        # Whoever has taken the terminal away hears of it from the main thread.
        with suppress(OSError):
            while not self._over.wait(self._refresh):
                with self.lock:
                    self.draw()

    def _written(self, line: Line) -> str:
        painted = (
            f"{_INKS[part.ink]}{part.text}{_OFF}" if part.ink and self._colored else part.text
            for part in line
        )
        return "".join(painted) + _END_OF_LINE + "\n"


def _height(line: Line, columns: int) -> int:
    """Rows that a line takes where the terminal has become narrower and wraps it."""
    return max(1, -(-sum(width(part.text) for part in line) // max(1, columns)))


def _size_of(stream: TextIO) -> os.terminal_size:
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, lines = 80, 24
    return os.terminal_size((columns or 80, lines or 24))
