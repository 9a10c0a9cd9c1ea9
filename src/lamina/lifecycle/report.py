"""How a start went: what a watcher tells the command line that asked for it."""

from __future__ import annotations

import os

import msgspec


class Report(msgspec.Struct, frozen=True):
    """Of a container that runs, or was refused, or could not be made."""

    pid: int = 0
    refused: str = ""
    status: int = 0
    kind: str = ""
    """Of an error: one of errors.KINDS."""
    message: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()


def tell(ready: int, report: Report) -> None:
    """Write it to the pipe `ready` and close that; nothing when it is -1."""
    if ready < 0:
        return
    try:
        os.write(ready, msgspec.json.encode(report))
        os.close(ready)
    except OSError:
        pass  # the command line has gone: the container goes on
