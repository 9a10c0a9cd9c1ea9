"""Several pieces of work at once; the first that fails ends them all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside a piece of work whose result nobody waits for any more."""


def run_all(work: Iterable[Callable[[Event], T]], *, width: int) -> list[T]:
    """The results of all `work`, in its order, at most `width` at once.

    Each is given an event that is set when another has failed or the user
    interrupts; it should then raise Stopped soon.  None begins after that.
    What the first one raised is raised here, after every one has ended.
    """
    # A ThreadPoolExecutor would do it, and bring logging along: a start waits 2 ms for that.
    waiting = deque(enumerate(work))
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    stop = Event()

    def run() -> None:
        while not stop.is_set():
            try:
                number, each = waiting.popleft()
            except IndexError:
                return
            try:
                results[number] = each(stop)
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                failures.append(error)
                stop.set()

    count = len(waiting)
    threads: list[Thread] = []
    try:
        for number in range(min(width, count)):
            thread = Thread(target=run, name=f"transfer_{number}")
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(count)]
