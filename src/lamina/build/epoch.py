"""SOURCE_DATE_EPOCH: the time that a reproducible build pretends to be made at.  Pure.

https://reproducible-builds.org/docs/source-date-epoch/
"""

from __future__ import annotations

from lamina.errors import Invalid

_LAST = 253402300799
"""The last second of the year 9999: RFC 3339 has four digits."""


class BadEpoch(Invalid):
    """SOURCE_DATE_EPOCH is no number of seconds."""


def parse(text: str) -> int:
    """SOURCE_DATE_EPOCH in seconds since 1970, UTC.  Raises BadEpoch."""
    if text.isascii() and text.isdecimal() and int(text[:20]) <= _LAST:
        return int(text)
    raise BadEpoch(
        f"SOURCE_DATE_EPOCH is not a time: {text!r}", hint="give whole seconds since 1970 (UTC)"
    )


def timestamp(epoch: int) -> str:
    """The time as RFC 3339, as configurations have it."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def earlier(text: str | None, epoch: int) -> str:
    """A time of a configuration (RFC 3339), or the epoch where that is earlier; one that is
    missing or cannot be read gives the epoch."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return timestamp(epoch)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return text if text and aware.timestamp() <= epoch else timestamp(epoch)
