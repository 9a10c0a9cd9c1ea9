"""Several pieces of work at once; the first that fails ends them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
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
    stop = Event()
    failures: list[BaseException] = []

    def run(each: Callable[[Event], T]) -> T:
        if stop.is_set():
            raise Stopped
        try:
            return each(stop)
        except BaseException as error:
            failures.append(error)
            stop.set()
            raise

    with ThreadPoolExecutor(width, thread_name_prefix="transfer") as pool:
        futures = [pool.submit(run, each) for each in work]
        try:
            return [each.result() for each in futures]
        except Exception:  # noqa: BLE001 - one that was stopped may come before the one that failed
            raise failures[0] from None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
