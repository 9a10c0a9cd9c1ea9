"""Children of our children become ours when their own parent ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.linux import syscall

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def adopting() -> Iterator[None]:
    """Whoever is orphaned below this process in the `with` block is its child from then on."""
    syscall.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        syscall.prctl(_PR_SET_CHILD_SUBREAPER, 0)
