"""The host's resolver, and what a container is told of it."""

from __future__ import annotations

from msgspec.structs import replace

from lamina.network import resolver
from lamina.network.request import NetworkRequest

_FILES = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")


def host_resolver() -> resolver.Resolver:
    """The host's; that of systemd-resolved itself where the file names only its stub."""
    found = resolver.Resolver()
    for path in _FILES:
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                found = resolver.parse(stream.read(1 << 16))
        except OSError:
            continue
        if resolver.reachable(found.servers) or found.servers != ("127.0.0.53",):
            break
    return found


def asked(
    request: NetworkRequest, host: resolver.Resolver, *, own: bool = False
) -> resolver.Resolver:
    """Whom a container asks for names; `own` is one whose watcher passes its questions on."""
    found = resolver.chosen(
        host,
        servers=request.dns,
        search=request.dns_search,
        options=request.dns_options,
    )
    if own:
        return found
    return replace(found, servers=resolver.reachable(found.servers) or resolver.FALLBACK)


def alone(request: NetworkRequest) -> str:
    """The resolv.conf of a container that has no network."""
    return resolver.write(asked(request, host_resolver()))
