"""Capabilities (capabilities(7)): their names, and what a container gets.  Pure."""

from __future__ import annotations

from lamina.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)
"""By number, as in linux/capability.h, without `CAP_`."""

DEFAULT = frozenset(
    {
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    }
)
"""What Docker gives a container that asks for nothing."""

ALL = frozenset(NAMES)


class BadCapability(Invalid):
    """No capability goes by the name."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"no capability {text}", hint="capabilities(7) lists them, for example NET_ADMIN"
        )


def named(text: str) -> frozenset[str]:
    """`NET_ADMIN`, `CAP_NET_ADMIN` or `all`, in any case.  Raises BadCapability."""
    name = text.upper().removeprefix("CAP_")
    if name == "ALL":
        return ALL
    if name not in ALL:
        raise BadCapability(text)
    return frozenset({name})


def granted(add: Iterable[str], drop: Iterable[str]) -> frozenset[str]:
    """The default set with `add` and `drop` applied as Docker applies them.

    `drop all` empties the default set first, so that `add` names what is left; a
    capability that is both added and dropped is dropped, unless the drop was `all`.
    """
    added = frozenset[str]().union(*map(named, add))
    dropped = [named(text) for text in drop]
    if ALL in dropped:
        return added
    return (DEFAULT | added).difference(*dropped)


def mask(names: Iterable[str]) -> int:
    """The kernel's bit mask of these capabilities."""
    return sum(1 << NAMES.index(name) for name in names)
