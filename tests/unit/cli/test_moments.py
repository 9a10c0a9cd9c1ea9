"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lamina.cli.moments import BadTime, moment, seconds, stamp

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("10m", 600),
        ("2h30m", 9000),
        ("1.5h", 5400),
        ("90s", 90),
        ("500ms", 0.5),
        ("0s", 0),
        ("7d", 7 * 86400),
        ("-5m", -300),
    ],
)
def test_lengths_of_time_ago(text: str, ago: float) -> None:
    assert moment(text, NOW) == NOW - timedelta(seconds=ago)


def test_moments() -> None:
    assert moment("2026-01-31T12:00:00Z", NOW) == NOW
    assert moment("2026-01-31T13:00:00+01:00", NOW) == NOW
    assert moment("2026-01-31T12:00", NOW) == NOW
    assert moment("2026-01-31", NOW) == NOW.replace(hour=0)
    assert moment(str(int(NOW.timestamp())), NOW) == NOW
    assert moment(f"{int(NOW.timestamp())}.5", NOW) == NOW + timedelta(seconds=0.5)


@pytest.mark.parametrize("text", ["", "soon", "10", "m", "10x", "1h m", "2026-13-01", "9" * 30])
def test_what_is_no_time(text: str) -> None:
    if text == "10":
        assert moment(text, NOW).year == 1970
        return
    with pytest.raises(BadTime):
        moment(text, NOW)
    assert seconds(text) is None


def test_stamps_sort_as_times_do() -> None:
    assert stamp(NOW) == "2026-01-31T12:00:00.000000000Z"
    assert stamp(NOW) < stamp(NOW + timedelta(microseconds=1))
