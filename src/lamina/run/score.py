"""The score by which the kernel chooses whom to end when memory is short, for a child's birth.

A child that nobody may look into cannot set its own in a user namespace: its files in /proc
belong to the host's root.  So it is born with it.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from lamina.errors import Denied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FILE = "/proc/self/oom_score_adj"
_own = allocate_lock()
"""Children of other threads must not be born with it."""


class ScoreRefused(Denied):
    """The kernel does not give a container this score."""

    def __init__(self, score: int, reason: str) -> None:
        super().__init__(
            f"cannot set the container's score for the end of memory to {score}: {reason}",
            hint="only root may make it lower than its own",
        )


def born_with(score: int | None, fork: Callable[[], int]) -> int:
    """What `fork` returns in this process; in the child it must not return.

    Raises ScoreRefused, before it forks.
    """
    with _own:
        if score is None:
            return fork()
        before = _read()
        try:
            _write(score)
        except OSError as error:
            raise ScoreRefused(score, os.strerror(error.errno or 0).lower()) from None
        try:
            return fork()
        finally:
            _write(before)


def _read() -> int:
    with open(_FILE, "rb", 0) as file:
        return int(file.read())


def _write(score: int) -> None:
    fd = os.open(_FILE, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"%d" % score)
    finally:
        os.close(fd)
