"""Stages on threads: order, bounds, errors that cross, and no thread left behind."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.layer.pipeline import Tally, reading, staged, tallied
from lamina.oci.digest import Digest


class Source:
    """Counts up for ever, and remembers how far it got and whether it was closed."""

    def __init__(self, *, fail_at: int | None = None) -> None:
        self.made = 0
        self.closed = False
        self.thread: threading.Thread | None = None
        self.fail_at = fail_at

    def items(self) -> Iterator[int]:
        self.thread = threading.current_thread()
        try:
            while self.made != self.fail_at:
                self.made += 1
                yield self.made
            raise ZeroDivisionError("the source broke")
        finally:
            self.closed = True


def stages() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stage"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert stages() == []


@given(st.lists(st.integers()), st.integers(1, 5), st.integers(1, 4))
def test_staged_passes_every_item_in_order(items: list[int], depth: int, layers: int) -> None:
    stage: Iterator[int] = iter(items)
    for _ in range(layers):
        stage = staged(stage, depth=depth)
    assert list(stage) == items


def test_staged_produces_on_another_thread() -> None:
    source = Source()
    with reading(staged(source.items())) as items:
        assert next(items) == 1
        assert source.thread is not None
        assert source.thread is not threading.current_thread()


def test_staged_starts_nothing_before_the_first_item_is_asked_for() -> None:
    source = Source()
    stage = staged(source.items())
    assert source.made == 0
    assert stages() == []
    del stage


@pytest.mark.parametrize("depth", [1, 3])
def test_staged_runs_at_most_depth_ahead(depth: int) -> None:
    source = Source()
    with reading(staged(source.items(), depth=depth)) as items:
        for taken in range(1, 50):
            assert next(items) == taken
            assert source.made <= taken + depth
    assert source.made <= 49 + depth + 1


def test_an_error_of_the_producer_comes_after_the_items_before_it() -> None:
    source = Source(fail_at=3)
    seen = []
    with pytest.raises(ZeroDivisionError, match="the source broke"):
        for item in staged(source.items(), depth=2):
            seen.append(item)  # noqa: PERF402 - the error is in the middle
    assert seen == [1, 2, 3]
    assert source.closed


def test_an_error_goes_through_several_stages_and_ends_them_all() -> None:
    source = Source(fail_at=1000)
    with pytest.raises(ZeroDivisionError):
        list(staged(staged(staged(source.items()))))
    assert stages() == []


def test_closing_the_last_stage_closes_every_one_before_it() -> None:
    source, tally = Source(), Tally()

    def texts() -> Iterator[bytes]:
        with reading(source.items()) as items:
            for item in items:
                yield str(item).encode()

    stage = staged(tallied(staged(texts()), tally))
    with reading(stage) as pieces:
        assert next(pieces) == b"1"
    assert source.closed
    assert stages() == []
    assert list(stage) == []


def test_a_consumer_that_fails_ends_the_pipeline_while_its_error_is_still_held() -> None:
    source = Source()
    with pytest.raises(KeyError) as caught, reading(staged(staged(source.items()))) as items:
        for item in items:
            raise KeyError(item)
    assert source.closed
    assert stages() == []
    assert caught.value.args == (1,)


def test_a_dropped_stage_ends_its_thread() -> None:
    source = Source()
    stage = staged(source.items())
    next(stage)
    del stage
    assert source.closed


def test_reading_takes_what_cannot_be_closed() -> None:
    with reading([1, 2]) as items:
        assert list(items) == [1, 2]


@given(st.lists(st.binary(max_size=100)))
def test_a_tally_is_of_all_that_passed(pieces: list[bytes]) -> None:
    tally = Tally()
    assert list(tallied(pieces, tally)) == pieces
    whole = b"".join(pieces)
    assert tally.size == len(whole)
    assert tally.digest == Digest("sha256:" + hashlib.sha256(whole).hexdigest())
