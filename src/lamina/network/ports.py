"""Ports of the host that containers publish: taken with sockets of this host.

The kernel sends what comes for a published port on to its container before any socket is
looked for.  The socket holds the port all the same: a second container, another store or a
program of the host gets the error that it expects, and not half of the connections.  What
the kernel cannot send on (`::1`, and IPv6 where the container has none) comes to the socket,
and supervise/relay.py carries it.
"""

from __future__ import annotations

import _socket
import errno
import os
from collections.abc import Sequence

import msgspec

from lamina.network.errors import BadNetwork, PortTaken, PrivilegedPort
from lamina.network.request import PortBinding
from lamina.network.state import Port

_KINDS = {"tcp": _socket.SOCK_STREAM, "udp": _socket.SOCK_DGRAM}
_V6ONLY = 26
EVERYWHERE = "0.0.0.0"  # noqa: S104 - where Docker publishes ports, too
_ATTEMPTS = 32
_WAITING = 64


class Held(msgspec.Struct):
    """Ports, and the sockets that hold them until they are closed."""

    ports: list[Port] = []
    sockets: list[_socket.socket] = []
    relayed: list[tuple[_socket.socket, int]] = []
    """Of these some that listen, and the container's port: for what the kernel does not do."""

    def close(self) -> None:
        for each in self.sockets:
            each.close()


def hold(bindings: Sequence[PortBinding], *, default: str, four: bool, six: bool) -> Held:
    """Take the ports of `bindings`, on addresses of the families that the container has.

    `default` is where ports are published that name no address; empty for everywhere.
    Raises PortTaken, BadNetwork, holding nothing.
    """
    held = Held([], [], [])
    try:
        for each in bindings:
            _hold(held, each, _addresses(each, default, four, six))
    except BaseException:
        held.close()
        raise
    return held


def _addresses(binding: PortBinding, default: str, four: bool, six: bool) -> list[str]:
    relayed = binding.protocol == "tcp" and (four or six)
    asked = binding.host_ip or default
    if asked and not (six or relayed if ":" in asked else four):
        raise BadNetwork(
            f"port {binding.container_port} cannot be published on {asked}: the container has"
            f" no {'IPv6' if ':' in asked else 'IPv4'} address",
            hint="put it into a network made with: lamina network create --ipv6"
            if ":" in asked
            else "",
        )
    if asked:
        return [asked]
    both = ((EVERYWHERE, four), ("::", six or (relayed and _has_ipv6())))
    return [address for address, wanted in both if wanted]


def _has_ipv6() -> bool:
    return os.path.exists("/proc/net/if_inet6") and _loopback_has_ipv6()


def _loopback_has_ipv6() -> bool:
    try:
        with open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", encoding="ascii") as stream:
            return stream.read().strip() == "0"
    except OSError:
        return False


def _hold(held: Held, binding: PortBinding, addresses: list[str]) -> None:
    first, last = binding.host_port, binding.host_last or binding.host_port
    shown = str(first) if first == last else f"{first}-{last}"
    candidates = [0] * _ATTEMPTS if first == 0 else list(range(first, last + 1))
    for port in candidates:
        taken = _take(binding, addresses, port)
        if taken is not None:
            held.ports += taken.ports
            held.sockets += taken.sockets
            held.relayed += taken.relayed
            return
    raise PortTaken(addresses[0], shown)


def _take(binding: PortBinding, addresses: list[str], port: int) -> Held | None:
    """The port on all addresses, or None when one of them is taken."""
    taken = Held([], [], [])
    for address in addresses:
        socket = _bound(binding.protocol, address, port)
        if socket is None:
            taken.close()
            return None
        port = port or socket.getsockname()[1]
        if binding.protocol in _KINDS:
            taken.sockets.append(socket)
            if ":" in address and binding.protocol == "tcp":
                taken.relayed.append((socket, binding.container_port))
        else:
            socket.close()
        taken.ports.append(Port(binding.container_port, binding.protocol, address, port))
    return taken


def _bound(protocol: str, address: str, port: int) -> _socket.socket | None:
    six = ":" in address
    family = _socket.AF_INET6 if six else _socket.AF_INET
    # A protocol for which there are no sockets here holds nothing.
    kind = _KINDS.get(protocol, _socket.SOCK_DGRAM)
    socket = _socket.socket(family, kind | _socket.SOCK_CLOEXEC)
    try:
        if six:
            socket.setsockopt(_socket.IPPROTO_IPV6, _V6ONLY, 1)
        if protocol == "tcp":
            # Ends of old connections are no reason to refuse a port; who listens is one.
            socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        socket.bind((address, port) if protocol in _KINDS else (address, 0))
        if protocol == "tcp":
            socket.listen(_WAITING)
    except OSError as error:
        socket.close()
        if error.errno == errno.EADDRINUSE:
            return None
        if error.errno == errno.EACCES:
            raise PrivilegedPort(port) from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise BadNetwork(f"Bind for {address}:{port} failed: not an address here") from None
        raise
    return socket
