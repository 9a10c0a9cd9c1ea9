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


class BadHost(Invalid):
    """An additional host is not `name:address`."""


def hosts(host_file: str, hostname: str, extra: Sequence[str]) -> str:
    """/etc/hosts: the host's own in its network, the loopback names otherwise.

    `host_file` is the host's text in its network and empty otherwise; `extra` are
    `name:address`.  `hostname` always has an address.  Raises BadHost.
    """
    lines = host_file or _LOOPBACK
    if not lines.endswith("\n"):
        lines += "\n"
    known = {word for line in lines.splitlines() for word in line.partition("#")[0].split()[1:]}
    if hostname not in known:
        lines += f"127.0.0.1\t{hostname}\n"
    return lines + "".join(_host(each) for each in extra)


def _host(text: str) -> str:
    name, separator, address = text.partition("=" if "=" in text else ":")
    address = address.strip("[]")
    if not separator or not name or not address or set(text) & set(" \t\n"):
        raise BadHost(f"not a host: {text!r}", hint="write name:address, e.g. db:10.0.0.5")
    return f"{address}\t{name}\n"
