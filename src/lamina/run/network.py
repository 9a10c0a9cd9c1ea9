"""The files of /etc through which a container knows its network.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import Invalid

_LOOPBACK = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
HOST_GATEWAY = "host-gateway"
"""As the address of a host: the one under which this machine is reached."""


class BadHost(Invalid):
    """An additional host is not `name:address`."""


def hosts(
    host_file: str,
    hostname: str,
    extra: Sequence[str],
    *,
    domainname: str = "",
    gateway: str = "127.0.0.1",
) -> str:
    """/etc/hosts: the host's own in its network, the loopback names otherwise.

    `host_file` is the host's text in its network and empty otherwise; `extra` are
    `name:address`, where `host-gateway` is `gateway`.  `hostname` always has an address.
    Raises BadHost.
    """
    lines = host_file or _LOOPBACK
    if not lines.endswith("\n"):
        lines += "\n"
    entries = [_split(each) for each in extra]
    known = {word for line in lines.splitlines() for word in line.partition("#")[0].split()[1:]}
    if hostname not in known | {name for name, _ in entries}:
        lines += f"127.0.0.1\t{_names(hostname, hostname, domainname)}\n"
    for name, address in entries:
        shown = gateway if address == HOST_GATEWAY else address
        lines += f"{shown}\t{_names(name, hostname, domainname)}\n"
    return lines


def _names(name: str, hostname: str, domainname: str) -> str:
    if name == hostname and domainname:
        return f"{hostname}.{domainname} {hostname}"
    return name


def check_host(text: str) -> str:
    """`text` if it is `name:address`, or `name=address`.  Raises BadHost."""
    _, address = _split(text)
    if address != HOST_GATEWAY:
        from ipaddress import ip_address

        try:
            ip_address(address)
        except ValueError:
            raise BadHost(f"invalid IP address in add-host: {address!r}") from None
    return text


def _split(text: str) -> tuple[str, str]:
    name, separator, address = text.partition("=" if "=" in text else ":")
    address = address.strip("[]")
    if not separator or not name or not address or set(text) & set(" \t\n"):
        raise BadHost(f"bad format for add-host: {text!r}", hint="write name:address")
    return name, address
