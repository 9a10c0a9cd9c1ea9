"""SOURCE_DATE_EPOCH: the time that a reproducible build pretends to be made at.

https://reproducible-builds.org/docs/source-date-epoch/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lamina.context.epoch import head, newest
from lamina.context.tree import Tree
from lamina.errors import Invalid, Unavailable

_NANO = 1_000_000_000
_LAST = 253402300799
"""The last second of the year 9999: RFC 3339 has four digits."""


class BadEpoch(Invalid):
    """SOURCE_DATE_EPOCH is no number of seconds."""


class NoEpoch(Unavailable):
    """Nothing says what time the context is of."""


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


def of_context(directory: Path | None, tree: Tree, environment: Mapping[str, str]) -> int:
    """The epoch of a context: when the commit was made that is checked out in its `directory`,
    else when the newest file was changed that the build can see.

    Raises NoGit where there is a repository and no git program, and NoEpoch where there is
    no file.
    """
    found = head(directory, environment) if directory is not None else None
    if found is not None:
        return found.committed
    if latest := newest(tree):
        return latest // _NANO
    raise NoEpoch(
        "the context has no file to take a time from",
        hint="set SOURCE_DATE_EPOCH to the seconds since 1970 that the image shall show",
    )
