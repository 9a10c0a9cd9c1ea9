"""Epochs: what is one, and no time is later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.build.epoch import BadEpoch, earlier, parse, timestamp


@pytest.mark.parametrize("text", ["0", "1700000000", "253402300799"])
def test_an_epoch_is_whole_seconds(text: str) -> None:
    assert parse(text) == int(text)


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "", " 1", "now", "1e9", "\u0661", "253402300800", "9" * 5000]
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(BadEpoch, match="SOURCE_DATE_EPOCH"):
        parse(text)


def test_a_time_as_configurations_have_it() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00Z"
    assert timestamp(1_700_000_000) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
        ("2023-11-14T22:13:20.000000001Z", "2023-11-14T22:13:20.000000001Z"),
        ("2023-11-14T22:13:21Z", "2023-11-14T22:13:20Z"),
        ("2023-11-14T23:13:20+01:00", "2023-11-14T23:13:20+01:00"),
        ("2023-11-14T22:13:20-01:00", "2023-11-14T22:13:20Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        (None, "2023-11-14T22:13:20Z"),
        ("", "2023-11-14T22:13:20Z"),
        ("yesterday", "2023-11-14T22:13:20Z"),
    ],
)
def test_the_earlier_of_two_times(text: str | None, found: str) -> None:
    assert earlier(text, 1_700_000_000) == found


@given(st.integers(0, 253402300799), st.integers(0, 253402300799))
def test_the_earlier_one_is_never_later(time: int, epoch: int) -> None:
    assert earlier(timestamp(time), epoch) == timestamp(min(time, epoch))
