"""What a container asks of the network, as values.  Pure."""

from __future__ import annotations

import msgspec


class PortBinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port of the container under a port of the host."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    """Empty: every address of the host."""
    host_port: int = 0
    """0: one that is free."""


class NetworkRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The network options of `run` and `create`."""

    mode: str = ""
    """`bridge`, `none`, `host`, `container:NAME` or a network's name; empty: the default."""
    aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac: str = ""
    publish: tuple[PortBinding, ...] = ()
    publish_all: bool = False
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
