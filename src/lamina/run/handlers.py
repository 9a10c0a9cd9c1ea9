"""Signal handlers for the length of a block; as light to load as `become`."""

from __future__ import annotations

# `signal` makes enumerations of all its numbers, which takes longer than all that is done here.
import _signal as signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

FORWARDED: tuple[int, ...] = (
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


class handlers:  # noqa: N801 - it reads as the verb that it is: `with handlers(…)`
    """Let `handler` be called for each of these signals; an ignored one stays ignored (nohup)."""

    def __init__(self, numbers: Iterable[int], handler: Callable[[int, object], None]) -> None:
        self._numbers = tuple(numbers)
        self._handler = handler
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in self._numbers:
            old = signal.getsignal(number)
            if old != signal.SIG_IGN:
                signal.signal(number, self._handler)
                self._before[number] = old

    def __exit__(self, *_: object) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)


class forwarding(handlers):  # noqa: N801 - as above
    """Pass our signals on to a process in a container through `kill`.

    Many programs do not react to them as a first process: the third SIGINT or
    SIGTERM becomes a SIGKILL.
    """

    def __init__(self, kill: Callable[[int], None]) -> None:
        super().__init__(FORWARDED, self._forward)
        self._kill = kill
        self._asked = 0

    def _forward(self, number: int, _: object) -> None:
        if number in {signal.SIGINT, signal.SIGTERM}:
            self._asked += 1
        self._kill(signal.SIGKILL if self._asked >= _PATIENCE else number)
