"""What a container asks of the network, as values.  Pure."""

from __future__ import annotations

import msgspec


class PortBinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port of the container under a port of the host."""

    container_port: int
    protocol: str = "tcp"
    """tcp, udp or sctp."""
    host_ip: str = ""
    """Empty: every address of the host."""
    host_port: int = 0
    """0: one that is free."""
    host_last: int = 0
    """When not 0: the first free one from `host_port` to this."""


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network that a container is in, and what it asks there."""

    network: str
    """A name or an id."""
    aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac: str = ""


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
    further: tuple[Attachment, ...] = ()
    """Networks beside the first."""

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The bridged networks that are asked for, the first first; none for the modes
        `none`, `host` and `container:`."""
        if not is_bridged(self.mode):
            return ()
        first = Attachment(self.mode or DEFAULT, self.aliases, self.ip, self.ip6, self.mac)
        return (first, *self.further)


DEFAULT = "bridge"


def is_bridged(mode: str) -> bool:
    """Whether a mode means a network of bridges, and not `none`, `host` or `container:`."""
    return mode not in {"none", "host"} and not mode.startswith("container:")
