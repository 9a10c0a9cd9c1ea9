"""What is shown of a build while it goes: tasks, and who is told of them.

Steps, pulls of base images and the writing of outputs are all tasks; a view shows
tasks.  `Steps` and `Transfers` turn what the engine tells into calls of a view.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Protocol

import msgspec

from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.build.observe import Outcome, Step


class Task(msgspec.Struct, frozen=True):
    """Something that takes time, as it is shown."""

    digest: Digest
    """What it is known by: no two tasks have the same."""
    title: str
    number: int = 0
    """Of a step; 0 for what comes before them."""
    total: int = 0
    """How many steps there are."""
    place: str = ""
    """Where a step is in its stage: `builder 2/5`."""
    inputs: tuple[Digest, ...] = ()


class Ending(msgspec.Struct, frozen=True):
    """How a task ended, when it ended well."""

    seconds: float = 0.0
    cached: bool = False
    size: int | None = None
    """Bytes of file content that it added."""
    hides: tuple[tuple[str, int], ...] = ()
    """What it took out of sight: which step's (or base's), and bytes."""
    note: str = ""


class Moved(msgspec.Struct, frozen=True):
    """How far one item of a transfer is."""

    item: str
    what: str
    done: int = 0
    total: int | None = None
    ended: bool = False


class View(Protocol):
    """Shows tasks; told one call at a time, under `lock`."""

    lock: RLock

    def begin(self, task: Task) -> None:
        """A task begins."""
        ...

    def output(self, task: Task, piece: bytes) -> None:
        """What its command prints, as it comes."""
        ...

    def moved(self, task: Task, moved: Moved) -> None:
        """An item of its transfer is so far."""
        ...

    def end(self, task: Task, ending: Ending) -> None:
        """It ended well."""
        ...

    def fail(self, task: Task, problem: str) -> None:
        """It did not."""
        ...

    def say(self, line: str) -> None:
        """A line that stands by itself."""
        ...

    def close(self) -> None:
        """Nothing more will come: leave the terminal as it was."""
        ...


class Failure(msgspec.Struct, frozen=True):
    """A task that failed, and the last lines of its output."""

    task: Task
    lines: tuple[str, ...]


class Steps:
    """Implements `Observer` (build/observe.py) on a view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._tasks: dict[Digest, Task] = {}

    def started(self, step: Step) -> None:
        vertex = step.vertex
        task = Task(
            vertex.digest,
            vertex.title,
            step.number,
            step.total,
            step.place,
            tuple(each.digest for each in vertex.inputs),
        )
        self._tasks[vertex.digest] = task
        with self._view.lock:
            self._view.begin(task)

    def output(self, step: Step, piece: bytes) -> None:
        with self._view.lock:
            self._view.output(self._tasks[step.vertex.digest], piece)

    def finished(self, step: Step, outcome: Outcome) -> None:
        ending = Ending(outcome.seconds, outcome.cached, outcome.size, outcome.hides)
        with self._view.lock:
            self._view.end(self._tasks[step.vertex.digest], ending)

    def failed(self, step: Step, problem: str) -> None:
        with self._view.lock:
            self._view.fail(self._tasks[step.vertex.digest], problem)

    def remark(self, text: str) -> None:
        with self._view.lock:
            self._view.say(f"lamina: {text}")


class Transfers:
    """Implements `Progress` (transfer/progress.py) on a view, as one task."""

    def __init__(self, view: View, task: Task) -> None:
        self._view = view
        self._task = task
        self._items: dict[str, Moved] = {}

    def start(self, item: str, what: str, total: int | None) -> None:
        self._tell(Moved(item, what, 0, total))

    def advance(self, item: str, amount: int) -> None:
        with self._view.lock:
            before = self._items[item]
            self._tell(msgspec.structs.replace(before, done=before.done + amount))

    def finish(self, item: str, what: str) -> None:
        with self._view.lock:
            before = self._items.get(item, Moved(item, what))
            self._tell(msgspec.structs.replace(before, what=what, ended=True))

    def note(self, line: str) -> None:
        with self._view.lock:
            self._view.output(self._task, line.encode() + b"\n")

    def _tell(self, moved: Moved) -> None:
        with self._view.lock:
            self._items[moved.item] = moved
            self._view.moved(self._task, moved)


@contextmanager
def transferring(view: View, task: Task) -> Iterator[Transfers]:
    """A transfer as a task, for the length of a block."""
    begun = time.monotonic()
    with view.lock:
        view.begin(task)
    try:
        yield Transfers(view, task)
    except Exception as error:
        with view.lock:
            view.fail(task, str(error))
        raise
    with view.lock:
        view.end(task, Ending(time.monotonic() - begun))
