"""What there is to know of a running container to execute another program in it.

Kept in its directory when it starts, in the form that is read at once: `marshal`, which has
no meaning to another Python.  Whoever cannot read it finds the same in record and settings.
"""

from __future__ import annotations

import marshal
import os
import sys

from lamina.linux import capability, trampoline
from lamina.run.process import Program, Role, SoftAndHard, Streams, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "door"
_FORMAT = 1
_NOWHERE = Streams(-1, -1, -1)


class Doorway(Value):
    """A container's first process, and what another one is to be like."""

    __slots__ = (
        *("apparmor", "capabilities", "cwd", "env", "filter", "further", "groups", "limits"),
        *("no_new_privileges", "oom_score_adj", "pid", "since", "user"),
    )

    def __init__(
        self,
        pid: int,
        since: int,
        groups: Sequence[str],
        *,
        env: Sequence[str],
        cwd: str,
        user: str,
        further: Sequence[str],
        capabilities: Sequence[str],
        filter: bytes,  # noqa: A002 - what it is called everywhere
        no_new_privileges: bool,
        limits: Sequence[tuple[str, int, int]],
        apparmor: str,
        oom_score_adj: int | None,
    ) -> None:
        self.pid = pid
        self.since = since
        """When it was started (linux/processes.py)."""
        self.groups = tuple(groups)
        """Its control groups."""
        self.env = tuple(env)
        self.cwd = cwd
        self.user = user
        self.further = tuple(further)
        """Further groups of its user."""
        self.capabilities = tuple(capabilities)
        self.filter = filter
        self.no_new_privileges = no_new_privileges
        self.limits = tuple(limits)
        self.apparmor = apparmor
        self.oom_score_adj = oom_score_adj

    def role(
        self,
        args: Sequence[str],
        *,
        env: Sequence[str] = (),
        cwd: str = "",
        user: str = "",
        terminal: bool = False,
        privileged: bool = False,
    ) -> Role:
        """What a program is to be: as the container's own, but for what is given here."""
        lines = list(self.env)
        if terminal and not any(line.startswith("TERM=") for line in lines):
            lines.append("TERM=xterm")
        # Further groups were given to the container's own user.
        further = () if user else self.further
        return Role(
            Program(tuple(args), (*lines, *env), cwd or self.cwd, user or self.user, further),
            capability.ALL if privileged else frozenset(self.capabilities),
            trampoline.descriptor(),
            _NOWHERE,
            filter=self.filter,
            no_new_privileges=self.no_new_privileges,
            limits=[SoftAndHard(*each) for each in self.limits],
            apparmor=self.apparmor,
            oom_score_adj=self.oom_score_adj,
        )


def write(place: str, doorway: Doorway) -> None:
    """Keep it in the container's directory; never fails, since it is known otherwise, too."""
    fields = {name: getattr(doorway, name) for name in Doorway.__slots__}
    path = f"{place}/{FILE}"
    try:
        fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as stream:
            stream.write(marshal.dumps((_FORMAT, sys.hexversion, fields)))
        os.rename(f"{path}.new", path)
    except OSError:
        return


def read(place: str) -> Doorway | None:
    """What was kept; None when there is none that can be read."""
    try:
        with open(f"{place}/{FILE}", "rb", 0) as stream:
            found = marshal.loads(stream.read())  # noqa: S302 - only root writes there
        form, version, fields = found
        if (form, version) != (_FORMAT, sys.hexversion):
            return None
        return Doorway(**fields)
    except (OSError, ValueError, EOFError, TypeError):
        return None
