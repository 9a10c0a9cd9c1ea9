"""SOURCE_DATE_EPOCH: the time that a reproducible build pretends to be made at.

https://reproducible-builds.org/docs/source-date-epoch/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lamina.context.tree import Tree
from lamina.errors import Invalid, Unavailable
from lamina.layer.entry import Kind

_NANO = 1_000_000_000
_LAST = 253402300799
"""The last second of the year 9999: RFC 3339 has four digits."""
_TIMEOUT = 30


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
    """The epoch of a context: when the git commit was made that is checked out in its
    `directory`, else when the newest file was changed that the build can see.

    Raises NoEpoch when git is not there to ask, or there is no file.
    """
    found = _committed(directory, environment) if directory is not None else None
    if found is None:
        found = _newest(tree)
    if found is None:
        raise NoEpoch(
            "the context has no file to take a time from",
            hint="set SOURCE_DATE_EPOCH to the seconds since 1970 that the image shall show",
        )
    return found


def _newest(tree: Tree) -> int | None:
    """The latest mtime of a file or link, in seconds; directories change with what is ignored."""
    newest: int | None = None
    pending = [""]
    while pending:
        for entry in tree.children(pending.pop()):
            if entry.kind is Kind.DIRECTORY:
                pending.append(entry.path)
            elif newest is None or entry.mtime > newest:
                newest = entry.mtime
    return newest // _NANO if newest is not None else None


def _committed(directory: Path, environment: Mapping[str, str]) -> int | None:
    """The committer's time of HEAD; None where no commit has the directory."""
    import subprocess

    place = directory.resolve()
    if not any((above / ".git").exists() for above in (place, *place.parents)):
        return None
    # Objects by name, and nothing that runs what a repository's configuration names: so it
    # does no harm to ask one that belongs to somebody else, as root in CI always has to.
    command = ["git", "--no-replace-objects", "-c", "safe.directory=*", "-C", str(place)]
    try:
        done = subprocess.run(
            [*command, "cat-file", "--batch"],
            input=b"HEAD\nHEAD:./\n",
            capture_output=True,
            env={name: text for name, text in environment.items() if name[:4] != "GIT_"},
            check=False,
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEpoch(
            f"git cannot be asked for the commit of {directory}: {error}",
            hint="install git, or set SOURCE_DATE_EPOCH",
        ) from None
    return _committer_time(done.stdout)


def _committer_time(answer: bytes) -> int | None:
    """The time in what `git cat-file --batch` says of a commit and of a tree in it."""
    head, _, rest = answer.partition(b"\n")
    _, kind, size = (*head.split(), b"", b"", b"")[:3]
    if kind != b"commit" or not size.isdigit():
        return None
    commit, after = rest[: int(size)], rest[int(size) + 1 :]
    if after.split(b"\n")[0].split()[1:2] != [b"tree"]:
        return None
    for line in commit.split(b"\n\n")[0].split(b"\n"):
        words = line.split()
        if words[:1] == [b"committer"] and words[-2].isdigit():
            return int(words[-2])
    return None
