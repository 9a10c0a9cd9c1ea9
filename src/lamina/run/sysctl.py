"""Kernel parameters that a container has for itself.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Conflict, Invalid

_IPC = {
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"),
    *("kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"),
}
_IPC_FAMILY = "fs.mqueue."
_NETWORK_FAMILY = "net."
PING_GROUPS = "net.ipv4.ping_group_range"
PINGING = "0 2147483647"
"""Groups; the kernel takes none that nobody has in the user namespace."""
FOR_EVERY_NETWORK = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    PING_GROUPS: PINGING,
}
"""What Docker sets in a container's own network: any user may listen on port 80 and ping."""


class BadSysctl(Invalid):
    """Not a kernel parameter that a container may have for itself."""


class SharedSysctl(Conflict):
    """The container shares the namespace that has the parameter."""


def parse_sysctl(text: str) -> tuple[str, str]:
    """Read `--sysctl name=value`; dots and slashes both divide a name.  Raises BadSysctl."""
    name, equals, value = text.partition("=")
    # Dots divide, unless a slash comes first: then dots belong to names (sysctl.d(5)).
    first = min((at for at in (name.find("."), name.find("/")) if at >= 0), default=-1)
    if first >= 0 and name[first] == "/":
        name = name.translate({ord("/"): ".", ord("."): "/"})
    known = name in _IPC or name.startswith((_IPC_FAMILY, _NETWORK_FAMILY))
    parts = path_of(name).split("/")
    if not equals or not known or {"", ".", ".."} & set(parts):  # it becomes a path
        raise BadSysctl(
            f"sysctl {text!r} is not allowed",
            hint="a container has net.*, fs.mqueue.*, kernel.shm*, kernel.msg* and kernel.sem",
        )
    return name, value


def path_of(name: str) -> str:
    """The file below /proc/sys."""
    return name.translate({ord("."): "/", ord("/"): "."})


def check_namespaces(sysctls: Mapping[str, str], *, network: str, ipc: str) -> None:
    """That the container has the namespaces for itself.  Raises SharedSysctl."""
    for name in sysctls:
        if name.startswith(_NETWORK_FAMILY) and network == "host":
            raise SharedSysctl(f"sysctl {name!r} is not allowed in the host's network namespace")
        if not name.startswith(_NETWORK_FAMILY) and ipc == "host":
            raise SharedSysctl(f"sysctl {name!r} is not allowed in the host's ipc namespace")
