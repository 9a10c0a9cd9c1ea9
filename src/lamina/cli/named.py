"""The objects and the platform that a command's arguments name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lamina.cli.failure import report
from lamina.errors import EngineError

if TYPE_CHECKING:
    from lamina.oci.platform import Platform


def for_each(
    texts: Iterable[str], act: Callable[[str], None], *, forgive: tuple[type[EngineError], ...] = ()
) -> int:
    """Do `act` to every object; one that fails is told and does not stop the others.

    Returns the exit status: 1 when any failed, but for the kinds in `forgive`.
    """
    status = 0
    for text in texts:
        try:
            act(text)
        except EngineError as error:
            report(str(error), error.hint)
            status = status if isinstance(error, forgive) else 1
    return status


def host_platform(text: str | None) -> Platform:
    """What `--platform` says, the rest from this host; without it this host's."""
    from lamina.oci.platform import Platform

    host = Platform.of_machine(os.uname().machine)
    return Platform.parse(text, host=host) if text else host
