"""A build as plain lines, each with its task's number: for pipes and logs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import TextIO

from lamina.cli.build_lines import Lines
from lamina.cli.build_view import Ending, Failure, Moved, Task
from lamina.cli.build_words import added, hidden
from lamina.oci.digest import Digest
from lamina.text import escape

KEPT = 40
"""Lines of a failed task's output that are shown again with its error."""


class Going:
    """A task that is under way."""

    def __init__(self, task: Task, begun: float) -> None:
        self.task = task
        self.begun = begun
        self.lines = Lines()
        self.tail: deque[str] = deque(maxlen=KEPT)
        self.items: dict[str, Moved] = {}
        """Of its transfer, those that have not ended."""


class Quiet:
    """Implements `View` (build_view.py): says nothing, and keeps what a failure needs."""

    speaks = False
    """Whether anything is shown."""
    shows_failures = False
    """Whether the output of a task that failed stays to be seen."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.lock = RLock()
        self.failures: list[Failure] = []
        self.now = now
        self.going: dict[Digest, Going] = {}

    def begin(self, task: Task) -> None:
        self.going[task.digest] = Going(task, self.now())

    def output(self, task: Task, piece: bytes) -> None:
        going = self.going[task.digest]
        self.take(going, going.lines.add(piece))

    def moved(self, task: Task, moved: Moved) -> None:
        items = self.going[task.digest].items
        items[moved.item] = moved
        if moved.ended:
            del items[moved.item]

    def end(self, task: Task, ending: Ending) -> None:
        going = self.going.pop(task.digest)
        self.take(going, going.lines.last())

    def fail(self, task: Task, problem: str) -> None:
        going = self.going.pop(task.digest)
        self.take(going, going.lines.last())
        self.failures.append(Failure(task, tuple(going.tail)))

    def say(self, line: str) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self, going: Going, lines: list[str]) -> None:
        """Lines of output."""
        going.tail.extend(lines)


class Plain(Quiet):
    """`#3 [builder 2/5] RUN make`, its output behind `#3` and seconds, then `#3 DONE 1.2s`."""

    speaks = True

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now)
        self._stream = stream

    def begin(self, task: Task) -> None:
        super().begin(task)
        place = f"[{task.place}] " if task.place else ""
        self._write(task, place + escape(task.title))

    def moved(self, task: Task, moved: Moved) -> None:
        super().moved(task, moved)
        if moved.ended:
            seconds = self.now() - self.going[task.digest].begun
            self._write(task, f"{escape(moved.item)} {escape(moved.what)} {seconds:.1f}s")

    def end(self, task: Task, ending: Ending) -> None:
        super().end(task, ending)
        state = "CACHED" if ending.cached else f"DONE {ending.seconds:.1f}s"
        facts = (state, added(ending), hidden(ending), escape(ending.note))
        self._write(task, "  ".join(filter(None, facts)))

    def fail(self, task: Task, problem: str) -> None:
        super().fail(task, problem)
        self._write(task, f"ERROR: {escape(problem)}" if problem else "ERROR")

    def say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        for going in self.going.values():
            self._write(going.task, "CANCELED")
        self.going.clear()

    def take(self, going: Going, lines: list[str]) -> None:
        super().take(going, lines)
        seconds = self.now() - going.begun
        for line in lines:
            self._write(going.task, f"{seconds:.3f} {line}")

    def _write(self, task: Task, text: str) -> None:
        self.say(f"#{task.number} {text}")
