"""The user's terminal while a container has it: raw, of one size with the container's."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGCONT,
)
_PATIENCE = 3
"""That many SIGINT or SIGTERM, as Docker counts, and the container is killed."""


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


@contextmanager
def forwarding(kill: Callable[[int], None]) -> Iterator[None]:
    """Pass our signals on to the container's first process through `kill`.

    Many programs do not react to them as a first process: the third SIGINT or
    SIGTERM becomes a SIGKILL.
    """
    asked = 0

    def forward(number: int, _: object) -> None:
        nonlocal asked
        if number in {signal.SIGINT, signal.SIGTERM}:
            asked += 1
        kill(signal.SIGKILL if asked >= _PATIENCE else number)

    with handlers(FORWARDED, forward):
        yield


@contextmanager
def handlers(
    numbers: Iterable[signal.Signals], handler: Callable[[int, object], None]
) -> Iterator[None]:
    """Signal handlers for the length of a block; an ignored signal stays ignored (nohup)."""
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number, old in before.items() if old is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
