"""Processes by a descriptor, which means the same one for as long as it is open."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.linux.processes import lives


@contextmanager
def opened(pid: int, since: int) -> Iterator[int]:
    """A descriptor (pidfd_open(2)) of the process that had this pid, started then, for the
    length of a block; -1 when it is gone."""
    try:
        process = os.pidfd_open(pid) if pid else -1
    except ProcessLookupError:
        process = -1
    # Between being told of the pid and opening it, it may have been given to another.
    if process >= 0 and not lives(pid, since):
        os.close(process)
        process = -1
    try:
        yield process
    finally:
        if process >= 0:
            os.close(process)


def ended(process: int, seconds: float = -1) -> bool:
    """Whether a process (a descriptor of it) ends within so many seconds; -1 waits for ever."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(None if seconds < 0 else seconds * 1000))


def send(process: int, number: int) -> None:
    """Send a process (a descriptor of it) a signal, if it is still there."""
    try:
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        pass
