"""The container's side of networks: its namespace, addresses and routes in it, its names.

Everything here runs in a thread that is in the container's namespace.
"""

from __future__ import annotations

import _socket
import ipaddress
import os
from collections.abc import Callable, Iterable

import msgspec

from lamina.linux import netfilter as nft
from lamina.linux import netlink_route as route
from lamina.linux.netlink import ROUTE, Netlink
from lamina.network.resolver import OWN
from lamina.network.state import Endpoint

_TABLE = "lamina"
_WAITING = 64


class Inside(msgspec.Struct):
    """What was opened in a namespace; sockets stay in it, wherever they are used."""

    route: Netlink
    udp: _socket.socket | None = None
    tcp: _socket.socket | None = None

    def close(self) -> None:
        self.route.close()
        for each in (self.udp, self.tcp):
            if each is not None:
                each.close()


def furnish(*, names: bool, six: bool) -> Callable[[int], Inside]:
    """What makes a new namespace a container's: loopback, Docker's sysctls, and, if it is to
    have `names`, sockets that get what is asked at 127.0.0.11."""

    def work(namespace: int) -> Inside:
        netlink = Netlink(ROUTE)
        netlink.ask(route.set_up(1))
        for name, value in (
            ("ipv4/ip_unprivileged_port_start", "0"),
            ("ipv4/ping_group_range", "0 2147483647"),
            ("ipv6/conf/default/disable_ipv6", "0" if six else "1"),
            ("ipv6/conf/default/accept_ra", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
        ):
            _sysctl(name, value)
        inside = Inside(netlink)
        if names:
            _answer_names(inside)
        return inside

    return work


def connect(netlink: Netlink, endpoint: Endpoint, *, four: bool, six: bool) -> None:
    """Give an endpoint's interface its addresses; `four`, `six`: the default route goes here."""
    link = route.find_link(netlink, endpoint.interface)
    if link is None:
        raise OSError(19, f"no interface {endpoint.interface}")
    messages = []
    if endpoint.ip:
        packed = ipaddress.ip_address(endpoint.ip).packed
        messages.append(route.new_address(link.index, packed, endpoint.prefix))
    if endpoint.ip6:
        packed = ipaddress.ip_address(endpoint.ip6).packed
        messages.append(route.new_address(link.index, packed, endpoint.prefix6))
    messages.append(route.set_up(link.index))
    for gateway, wanted in ((endpoint.gateway, four), (endpoint.gateway6, six)):
        if gateway and wanted:
            messages.append(route.default_route(link.index, ipaddress.ip_address(gateway).packed))
    netlink.ask(*messages)


def connect_later(endpoint: Endpoint, *, four: bool, six: bool) -> Callable[[], None]:
    """`connect`, in the namespace of a container that runs."""

    def work() -> None:
        _sysctl(f"ipv6/conf/{endpoint.interface}/disable_ipv6", "0" if endpoint.ip6 else "1")
        with Netlink(ROUTE) as netlink:
            connect(netlink, endpoint, four=four, six=six)

    return work


def route_by(endpoints: Iterable[Endpoint]) -> Callable[[], None]:
    """Give a running container default routes by these endpoints, where it has none."""
    chosen = list(endpoints)

    def work() -> None:
        with Netlink(ROUTE) as netlink:
            for each in chosen:
                link = route.find_link(netlink, each.interface)
                for gateway in (each.gateway, each.gateway6):
                    if link is not None and gateway:
                        try:
                            netlink.ask(
                                route.default_route(
                                    link.index, ipaddress.ip_address(gateway).packed
                                )
                            )
                        except FileExistsError:
                            pass

    return work


def _answer_names(inside: Inside) -> None:
    udp = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    tcp = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    inside.udp, inside.tcp = udp, tcp
    own = ipaddress.ip_address(OWN).packed
    rules = []
    for socket, protocol in ((udp, _socket.IPPROTO_UDP), (tcp, _socket.IPPROTO_TCP)):
        socket.bind((OWN, 0))
        rules.append(
            nft.is_destination(own)
            + nft.is_protocol(protocol)
            + nft.is_port(53)
            + nft.redirect_port(nft.IPV4, socket.getsockname()[1])
        )
    tcp.listen(_WAITING)
    chain = nft.Chain("names", tuple(rules), "nat", nft.OUTPUT, nft.DSTNAT)
    messages = [nft.new_table(_TABLE), nft.new_chain(_TABLE, chain)]
    with nft.open_netfilter() as netfilter:
        nft.commit(netfilter, [*messages, *nft.new_rules(_TABLE, chain)])


def _sysctl(name: str, value: str) -> None:
    try:
        fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # /proc/sys may be read-only to us, or without IPv6
    try:
        os.write(fd, value.encode())
    except OSError:
        pass
    finally:
        os.close(fd)
