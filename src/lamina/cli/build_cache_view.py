"""How what a build does about its caches is shown: as tasks among the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.cli.build_view import Ending, Moved, Task, Transfers, View
from lamina.errors import EngineError
from lamina.oci.digest import Digest


class Fetches:
    """Implements `Progress` (transfer/progress.py): a task for each layer that is fetched."""

    def __init__(self, view: View, name: str) -> None:
        self._view = view
        self._name = name
        self._begun: dict[str, tuple[Task, float, Moved]] = {}

    def start(self, item: str, what: str, total: int | None) -> None:
        title = f"cache from {self._name}: {item}"
        task = Task(Digest.of(f"{title} {time.monotonic_ns()}".encode()), title)
        with self._view.lock:
            self._begun[item] = (task, time.monotonic(), Moved(item, what, 0, total))
            self._view.begin(task)

    def advance(self, item: str, amount: int) -> None:
        with self._view.lock:
            task, begun, moved = self._begun[item]
            moved = Moved(item, moved.what, moved.done + amount, moved.total)
            self._begun[item] = (task, begun, moved)
            self._view.moved(task, moved)

    def finish(self, item: str, what: str) -> None:
        with self._view.lock:
            known = self._begun.pop(item, None)
            if known is not None:
                task, begun, moved = known
                self._view.end(task, Ending(time.monotonic() - begun, size=moved.done))

    def note(self, line: str) -> None:
        with self._view.lock:
            self._view.say(line)


@contextmanager
def shown(view: View, title: str, done: str) -> Iterator[Transfers]:
    """A task for the length of a block; `done` is said when it ended well."""
    task = Task(Digest.of(title.encode("utf-8", "surrogateescape")), title)
    begun = time.monotonic()
    with view.lock:
        view.begin(task)
    try:
        yield Transfers(view, task)
    except EngineError as error:
        with view.lock:
            view.fail(task, str(error))
        raise
    with view.lock:
        view.end(task, Ending(time.monotonic() - begun, note=done))
