"""Several pieces of work at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import Barrier, Event

import pytest

from lamina.transfer.parallel import Stopped, run_all


def test_results_come_in_the_order_of_the_work() -> None:
    first_may_end = Event()

    def first(stop: Event) -> str:
        first_may_end.wait()
        return "first"

    def second(stop: Event) -> str:
        first_may_end.set()
        return "second"

    assert run_all([first, second], width=2) == ["first", "second"]


def test_no_work_has_no_results() -> None:
    nothing: list[Callable[[Event], int]] = []
    assert run_all(nothing, width=2) == []


def test_no_more_at_once_than_the_width() -> None:
    meeting = Barrier(2, timeout=10)
    running, most = set[int](), list[int]()
    lock = threading.Lock()

    def work(stop: Event) -> None:
        with lock:
            running.add(threading.get_ident())
            most.append(len(running))
        meeting.wait()
        with lock:
            running.discard(threading.get_ident())

    run_all([work] * 6, width=2)
    assert max(most) == 2


def test_a_failure_stops_what_runs_and_what_waits() -> None:
    began = Event()
    ran = []

    def patient(stop: Event) -> None:
        began.set()
        assert stop.wait(10)
        raise Stopped

    def failing(stop: Event) -> None:
        began.wait()
        raise ValueError("broken")

    def later(stop: Event) -> None:
        ran.append(1)

    with pytest.raises(ValueError, match="broken"):
        run_all([patient, failing, later, later], width=2)
    assert ran == []
    assert not [each for each in threading.enumerate() if each.name.startswith("transfer")]
