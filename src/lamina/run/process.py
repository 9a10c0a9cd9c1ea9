"""A process in a container, as values of the plainest kind.  Pure.

`become` and all that leads to it is written without msgspec and typing, which take longer to
load than a program takes to be executed in a container: `lamina exec` waits for none of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    class Process(Protocol):
        """What is executed: `Process` of spec.py, or a `Program`."""

        @property
        def args(self) -> tuple[str, ...]: ...
        @property
        def env(self) -> tuple[str, ...]: ...
        @property
        def cwd(self) -> str: ...
        @property
        def user(self) -> str: ...
        @property
        def groups(self) -> tuple[str, ...]: ...

    class Limit(Protocol):
        """`Limit` of spec.py, or a `SoftAndHard`."""

        @property
        def name(self) -> str: ...
        @property
        def soft(self) -> int: ...
        @property
        def hard(self) -> int: ...


class Value:
    """Equal when it is of the same kind and has the same fields, which are its slots."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({told})"

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class Identity(Value):
    """Numeric ids of a process."""

    __slots__ = ("gid", "groups", "uid")

    def __init__(self, uid: int = 0, gid: int = 0, groups: tuple[int, ...] = ()) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups


class Streams(Value):
    """File descriptors of a process; with a terminal only `stdin` and `stdout` are used."""

    __slots__ = ("stderr", "stdin", "stdout")

    def __init__(self, stdin: int, stdout: int, stderr: int) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr


class SoftAndHard(Value):
    """A resource limit."""

    __slots__ = ("hard", "name", "soft")

    def __init__(self, name: str, soft: int, hard: int) -> None:
        self.name = name
        self.soft = soft
        self.hard = hard


class Program(Value):
    """What is executed: found on PATH inside the container."""

    __slots__ = ("args", "cwd", "env", "groups", "user")

    def __init__(
        self,
        args: tuple[str, ...],
        env: tuple[str, ...],
        cwd: str,
        user: str,
        groups: tuple[str, ...],
    ) -> None:
        self.args = args
        self.env = env
        self.cwd = cwd
        self.user = user
        self.groups = groups


class Role(Value):
    """What a process in a container is to be."""

    __slots__ = (
        *("apparmor", "capabilities", "filter", "init", "lasting", "limits"),
        *("no_new_privileges", "oom_score_adj", "process", "streams", "terminal", "trampoline"),
    )

    def __init__(
        self,
        process: Process,
        capabilities: frozenset[str],
        trampoline: int,
        streams: Streams,
        terminal: str = "",
        filter: bytes = b"",  # noqa: A002 - what it is called everywhere
        no_new_privileges: bool = False,
        limits: Sequence[Limit] = (),
        apparmor: str = "",
        oom_score_adj: int | None = None,
        init: bool = False,
        lasting: bool = False,
    ) -> None:
        self.process = process
        self.capabilities = capabilities
        """By their names, as many of them as we hold ourselves."""
        self.trampoline = trampoline
        """Descriptor of the program in sealed memory that executes the container's
        (linux/trampoline.py), or with `init` starts it (linux/container_init.py)."""
        self.streams = streams
        """Not looked at when there is a terminal."""
        self.terminal = terminal
        """The path of its terminal inside the container: `/dev/pts/0`; empty for none."""
        self.filter = filter
        """Seccomp program; empty for none."""
        self.no_new_privileges = no_new_privileges
        self.limits = limits
        self.apparmor = apparmor
        """The AppArmor profile of the program; empty for our own."""
        self.oom_score_adj = oom_score_adj
        self.init = init
        self.lasting = lasting
        """Whether it goes on when its parent ends."""

    def on(self, streams: Streams) -> Role:
        """The same with other streams."""
        return self._but(streams=streams)

    def left_alone(self) -> Role:
        """The same, going on when its parent ends."""
        return self._but(lasting=True)

    def _but(self, **changes: Any) -> Role:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Role(**{**fields, **changes})
