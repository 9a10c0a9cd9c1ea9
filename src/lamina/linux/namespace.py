"""A namespace that no process of ours is ever in: another one makes it, and ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from lamina.linux.pidns import fork_quietly

_READ = os.O_RDONLY | os.O_CLOEXEC
_UNKNOWN = 255


def made(
    kind: str, make: Callable[[], None], furnish: Callable[[int], None] = lambda _: None
) -> int:
    """The namespace of a `kind` (as /proc/PID/ns names it) of a process in which `make` ran.

    `furnish` is called here with that process's pid.  The namespace ends with the last
    descriptor and process that has it.  Raises OSError when `make` did, and what `furnish` raises.
    """
    begun, tell = os.pipe()
    wait, go = os.pipe()
    child = fork_quietly()
    if child == 0:
        os.close(go)
        _be(make, tell, wait)
    os.close(tell)
    os.close(wait)
    try:
        told = os.read(begun, 1)
        code = told[0] if told else _UNKNOWN
        if code:
            raise OSError(code, os.strerror(code))
        furnish(child)
        return os.open(f"/proc/{child}/ns/{kind}", _READ)
    finally:
        os.close(begun)
        os.close(go)
        os.waitpid(child, 0)


def _be(make: Callable[[], None], tell: int, wait: int) -> NoReturn:
    """Until the other end of `wait` is closed."""
    code = _UNKNOWN
    try:
        make()
        code = 0
    except OSError as error:
        code = error.errno or code
    finally:
        os.write(tell, bytes([code]))
        os.read(wait, 1)
        os._exit(0)
