"""The user's terminal while a container has it: raw, of one size with the container's."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamina.run.handlers import forwarding as forwarding
from lamina.run.handlers import handlers as handlers


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Hand every key through as it is; the terminal is as before afterwards, whatever happens.

    Does nothing when `fd` is not a terminal.
    """
    if not os.isatty(fd):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def following_size(ours: int, tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tell rows and columns of our terminal, now and whenever they change.

    Does nothing when `ours` is not a terminal.
    """
    if not os.isatty(ours):
        yield
        return
    import termios

    def look(*_: object) -> None:
        try:
            tell(*termios.tcgetwinsize(ours))
        except (OSError, termios.error):
            pass  # it has just gone away

    look()
    with handlers([signal.SIGWINCH], look):
        yield
