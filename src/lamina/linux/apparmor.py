"""AppArmor: a profile for the next program that this process executes."""

from __future__ import annotations

import os

from lamina.errors import Unsupported
from lamina.linux.rooted import open_in

_SWITCH = "/sys/module/apparmor/parameters/enabled"
_PLACES = ("/proc/thread-self/attr/apparmor/exec", "/proc/thread-self/attr/exec")


class ProfileRefused(Unsupported):
    """The kernel has no such profile, or does not let us have it."""

    def __init__(self, profile: str, why: str) -> None:
        super().__init__(
            f"apparmor profile {profile} cannot be applied: {why}",
            hint="aa-status lists those that are loaded",
        )


def enabled() -> bool:
    """Whether this kernel has AppArmor, and uses it."""
    try:
        with open(_SWITCH) as switch:
            return switch.read().startswith("Y")
    except OSError:
        return False


def applicable(profile: str) -> str:
    """`profile`, or nothing where it can have no effect."""
    return profile if profile and enabled() else ""


def change_on_exec(profile: str) -> None:
    """Have `profile` applied to the program that this process executes next.

    The root directory is the container's by then, and /proc in it the kernel's own.
    Raises ProfileRefused.
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = _open_first(root)
        try:
            os.write(fd, f"exec {profile}".encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise ProfileRefused(profile, error.strerror or "") from None
    finally:
        os.close(root)


def _open_first(root: int) -> int:
    for place in _PLACES[:-1]:
        try:
            return open_in(root, place, os.O_WRONLY)
        except FileNotFoundError:
            pass  # before Linux 5.8 the file is every security module's
    return open_in(root, _PLACES[-1], os.O_WRONLY)
