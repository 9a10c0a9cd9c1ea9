"""The text of /etc/resolv.conf in a container.  Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import msgspec

OWN = "127.0.0.11"
"""Where a container on a network with names asks for them, as with Docker."""
FALLBACK = ("8.8.8.8", "8.8.4.4")


class Resolver(msgspec.Struct, frozen=True):
    """What a resolv.conf says."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse(text: str) -> Resolver:
    """Read a resolv.conf; what cannot be read is left out."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.partition("#")[0].partition(";")[0].split()
        match words:
            case ["nameserver", address, *_]:
                if is_address(address):
                    servers.append(address)
            case ["search" | "domain", *names]:
                search = tuple(names)
            case ["options", *more]:
                options += more
    return Resolver(tuple(servers), search, tuple(options))


def write(resolver: Resolver) -> str:
    """As a file."""
    lines = [f"nameserver {each}" for each in resolver.servers]
    if resolver.search:
        lines.append("search " + " ".join(resolver.search))
    if resolver.options:
        lines.append("options " + " ".join(resolver.options))
    return "".join(line + "\n" for line in lines)


def chosen(
    host: Resolver,
    *,
    servers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Resolver:
    """The host's, but for what the user asked; the search list `.` is none."""
    return Resolver(
        tuple(servers) or host.servers,
        () if tuple(search) == (".",) else tuple(search) or host.search,
        tuple(options) or host.options,
    )


def with_names(resolver: Resolver) -> Resolver:
    """Of a container that asks its supervisor, who asks the resolver's servers in turn."""
    dots = any(each.startswith("ndots:") for each in resolver.options)
    options = resolver.options if dots else (*resolver.options, "ndots:0")
    return Resolver((OWN,), resolver.search, options)


def reachable(servers: Sequence[str]) -> tuple[str, ...]:
    """The servers that can be asked from another network than the host's own."""
    return tuple(each for each in servers if not _is_local(each))


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_local(address: str) -> bool:
    return "%" in address or ipaddress.ip_address(address).is_loopback
