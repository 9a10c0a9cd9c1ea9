"""Into a control group."""

from __future__ import annotations

import os


def join(group: str) -> None:
    """Move this process, which has one thread, into a group.  Raises OSError."""
    # To move a whole process the kernel waits, for ten milliseconds, until none is being made
    # or ended anywhere.  A thread that moves itself needs none of that; version 1 lets it.
    for name in ("tasks", "cgroup.procs"):
        try:
            fd = os.open(f"{group}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if name == "tasks":
                continue
            raise
        try:
            os.write(fd, b"0")
            return
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{group}/{name}") from None
        finally:
            os.close(fd)
