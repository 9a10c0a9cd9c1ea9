"""Times as people type them: `10m` ago, `2026-01-31T12:00`, seconds since 1970.  Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from lamina.errors import Invalid

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|[smhdw])")
_SPAN = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class BadTime(Invalid):
    """Neither a time nor a length of time."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a time: {text!r}", hint="2026-01-31T12:00:00Z, or 10m, 2h30m ago")


def seconds(text: str) -> float | None:
    """A length of time as Go writes it, `1h30m`, and `7d`, `2w`; None for what is none."""
    if not _SPAN.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def moment(text: str, now: datetime) -> datetime:
    """The time that is meant.  Raises BadTime."""
    try:
        if (span := seconds(text.removeprefix("-"))) is not None:
            return now - timedelta(seconds=-span if text.startswith("-") else span)
        if _NUMBER.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadTime(text) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stamp(when: datetime) -> str:
    """As records and logs have times: RFC 3339 in UTC, nanoseconds; earlier ones are less."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
