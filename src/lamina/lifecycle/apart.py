"""A process that goes on when the command line that forked it has ended."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import gc
import os


def be_apart(kept: set[int]) -> None:
    """Leave the session, the directory, the streams and descriptors of who forked us, but for
    those that are `kept`."""
    # Looking for garbage would write to, and so copy, every page that is shared with our parent.
    gc.disable()
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that the listing itself had
