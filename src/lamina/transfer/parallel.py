"""Several pieces of work at once; the first that fails ends them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside a piece of work whose result nobody waits for any more."""


def run_all(work: Iterable[Callable[[Event], T]], *, width: int) -> list[T]:
    """The results of all `work`, in its order, at most `width` at once.

    Each is given an event that is set when another has failed or the user
    interrupts; it should then raise Stopped soon.  What the first one raised
    is raised here, after every one has ended.
    """
    stop = Event()
    with ThreadPoolExecutor(width, thread_name_prefix="transfer") as pool:
        futures = [pool.submit(each, stop) for each in work]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            failed = [each for each in futures if each.done() and each.exception() is not None]
            if failed or not all(each.done() for each in futures):
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
    for each in futures:
        if each.cancelled():
            continue
        error = each.exception()
        if error is not None and not isinstance(error, Stopped):
            raise error
    return [each.result() for each in futures]
