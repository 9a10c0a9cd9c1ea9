"""Carrying out the vertices of a graph: each when its inputs are there, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition, Lock, Thread

from lamina.plan.graph import Vertex


class Stopped(Exception):
    """The build ends for another reason: this step was given up."""


class Stop:
    """Whether work goes on, and what ends it at once (a running container's `kill`)."""

    def __init__(self) -> None:
        self.asked = False
        self._ends: list[Callable[[], None]] = []
        self._lock = Lock()

    def add(self, end: Callable[[], None]) -> None:
        """Call `end` when work stops, also when that has happened already."""
        with self._lock:
            self._ends.append(end)
            asked = self.asked
        if asked:
            end()

    def remove(self, end: Callable[[], None]) -> None:
        """Forget `end`."""
        with self._lock:
            self._ends.remove(end)

    def ask(self) -> None:
        """Stop what runs, and begin nothing more."""
        with self._lock:
            self.asked = True
            ends = list(self._ends)
        for end in ends:
            end()


class _Board:
    """What is ready, what runs, what is done; under one lock."""

    def __init__(self, vertices: Sequence[Vertex], stop: Stop) -> None:
        wanted = {vertex.digest for vertex in vertices}
        self.waits = {
            vertex.digest: {each.digest for each in vertex.inputs} & wanted for vertex in vertices
        }
        self.left = list(vertices)
        self.running = 0
        self.error: BaseException | None = None
        self.stop = stop
        self.changed = Condition()

    def take(self) -> Vertex | None:
        """The first vertex that can begin, waiting for one; None when none will come."""
        with self.changed:
            while True:
                if self.stop.asked or not self.left:
                    return None
                for vertex in self.left:
                    if not self.waits[vertex.digest]:
                        self.left.remove(vertex)
                        self.running += 1
                        return vertex
                self.changed.wait()

    def done(self, vertex: Vertex, error: BaseException | None) -> None:
        with self.changed:
            self.running -= 1
            if error is not None and self.error is None and not isinstance(error, Stopped):
                self.error = error
            for waiting in self.waits.values():
                waiting.discard(vertex.digest)
            self.changed.notify_all()


def carry_out(
    vertices: Sequence[Vertex], work: Callable[[Vertex], None], workers: int, stop: Stop
) -> None:
    """Call `work` for each vertex once those of its inputs that are among them are done.

    At most `workers` at a time; with one, everything happens in this thread.  The first
    error stops the others and is raised when they have ended; so is KeyboardInterrupt.
    """
    board = _Board(vertices, stop)
    if workers < 2 or len(vertices) < 2:
        _work(board, work)
    else:
        threads = [
            Thread(target=_work, args=(board, work), name=f"step-{number}")
            for number in range(min(workers, len(vertices)))
        ]
        try:
            for thread in threads:
                thread.start()
            with board.changed:
                while (board.left or board.running) and not stop.asked:
                    board.changed.wait()
        except BaseException:
            stop.ask()
            raise
        finally:
            with board.changed:
                board.changed.notify_all()
            for thread in threads:
                thread.join()
    if board.error is not None:
        raise board.error


def _work(board: _Board, work: Callable[[Vertex], None]) -> None:
    while (vertex := board.take()) is not None:
        error: BaseException | None = None
        try:
            work(vertex)
        except BaseException as found:  # noqa: BLE001 - it is raised again by `carry_out`
            error = found
        # Noted before the others are stopped: what they then raise is not the reason.
        board.done(vertex, error)
        if error is not None:
            board.stop.ask()
