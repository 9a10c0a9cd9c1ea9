"""Resource limits of a process (setrlimit(2)) by the names that Docker uses."""

from __future__ import annotations

from lamina.errors import Denied, Invalid
from lamina.linux import syscall

NAMES = {
    "cpu": 0,
    "fsize": 1,
    "data": 2,
    "stack": 3,
    "core": 4,
    "rss": 5,
    "nproc": 6,
    "nofile": 7,
    "memlock": 8,
    "locks": 10,
    "sigpending": 11,
    "msgqueue": 12,
    "nice": 13,
    "rtprio": 14,
    "rttime": 15,
}
"""The kernel's numbers (asm-generic/resource.h)."""


class LimitDenied(Denied):
    """A limit above the one that this process has itself, which it may not raise."""

    def __init__(self, name: str, wanted: int, most: int) -> None:
        asked = "no limit" if wanted < 0 else str(wanted)
        super().__init__(
            f"the limit {name} cannot be raised to {asked}",
            hint=f"at most {most} here; more needs CAP_SYS_RESOURCE",
        )


class BadLimit(Invalid):
    """The kernel does not take the value."""

    def __init__(self, name: str, soft: int, hard: int) -> None:
        super().__init__(f"not a limit: {name}={soft}:{hard}")


def allow(name: str, hard: int) -> None:
    """Let this process and all that come of it set the limit that high, if it is lower now.

    For who will not have CAP_SYS_RESOURCE when the limit is set; says nothing when refused.
    """
    number = NAMES[name]
    soft, most = syscall.prlimit(number)
    if 0 <= most < hard or most >= 0 > hard:
        try:
            syscall.prlimit(number, (soft, hard))
        except OSError:
            return


def set_limit(name: str, soft: int, hard: int) -> None:
    """Limit this process and all that come of it; -1 is no limit.

    Raises LimitDenied, BadLimit.
    """
    number = NAMES[name]
    _, most = syscall.prlimit(number)
    try:
        syscall.prlimit(number, (soft, hard))
    except OSError:
        if most >= 0 and (hard < 0 or hard > most):
            raise LimitDenied(name, hard, most) from None
        raise BadLimit(name, soft, hard) from None
