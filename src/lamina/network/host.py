"""The host's side of networks: bridges, links into them, the packet filter.

Everything here is called by the holder of the lock of `State`.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from lamina.linux import netfilter as nft
from lamina.linux import netlink_route as route
from lamina.linux.netlink import ROUTE, Netlink
from lamina.network import rules
from lamina.network.addresses import (
    IPNetwork,
    choose_subnet,
    choose_subnet6,
    overlapping,
    parse_network,
)
from lamina.network.errors import BadNetwork, NoNetworks, SubnetTaken
from lamina.network.state import Endpoint, Member, Network, State, Subnet, token

RUN = Path("/run/lamina")
_LOCK = "networks.lock"
TABLE = "lamina-"
_OURS, _OF = "lamina network ", " of "
_LONGEST_ALIAS = 200
"""Bytes."""
_REFUSED = {errno.EPERM, errno.EACCES}


class Host:
    """The kernel's networks as far as they are one store's."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.token = token(state.root)
        self.table = f"{TABLE}{self.token}"

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("route", "_netfilter"):
            if name in self.__dict__:
                self.__dict__[name].close()

    @cached_property
    def route(self) -> Netlink:
        return Netlink(ROUTE)

    @property
    def _whose(self) -> str:
        """What tells in nft(8), and to who finds it when the store is gone, whose a table is."""
        return os.path.realpath(self._state.root)

    @cached_property
    def _netfilter(self) -> Netlink:
        return nft.open_netfilter()

    # bridges

    def bridge(self, network: Network) -> tuple[int, Network]:
        """The index of a network's bridge, which is made if it is not there; and the network
        with other subnets, if they had to be found anew.

        Raises SubnetTaken, NoSubnetLeft, BadNetwork, NoNetworks.
        """
        link = route.find_link(self.route, network.bridge)
        if link is None:
            if not network.own_bridge:
                raise BadNetwork(
                    f"network {network.name} needs the bridge {network.bridge}, which is gone"
                )
            with _whole_host():
                network = self._settled(network)
                return self._make_bridge(network), network
        return link.index, network

    def has_link(self, name: str) -> bool:
        """Whether there is a link of that name."""
        return route.find_link(self.route, name) is not None

    def taken(self) -> list[IPNetwork]:
        """The subnets that the host reaches by a route of its own, or has an address in."""
        found: set[IPNetwork] = set()
        for destination, prefix, _ in route.routes(self.route):
            if destination and prefix:
                found.add(ipaddress.ip_network((destination, prefix), strict=False))
        for _, address, prefix in route.addresses(self.route):
            found.add(ipaddress.ip_network((address, prefix), strict=False))
        return sorted(
            (each for each in found if not each.is_loopback and not each.is_link_local),
            key=lambda each: (each.version, each),
        )

    def find_subnets(self, network: Network) -> tuple[Subnet, ...]:
        """Subnets for a network that names none of its own."""
        return self.missing_subnets(replace(network, subnets=()))

    def missing_subnets(self, network: Network) -> tuple[Subnet, ...]:
        """Subnets of the families of which a network has none and should have."""
        versions = {parse_network(each.network).version for each in network.subnets}
        others = [
            parse_network(subnet.network)
            for each in self._state.networks()
            if each.id != network.id
            for subnet in each.subnets
        ]
        taken = [*self.taken(), *others]
        found = [] if 4 in versions else [choose_subnet(taken)]
        if network.ipv6 and 6 not in versions:
            found.append(choose_subnet6(self.token, taken))
        return tuple(found)

    def _settled(self, network: Network) -> Network:
        """The network with subnets that nothing else on this host uses."""
        clash = overlapping(network.subnets, self.taken())
        if network.subnets and clash is None:
            return network
        if clash is not None and not network.chosen:
            raise SubnetTaken(*clash)
        network = replace(network, subnets=self.find_subnets(network))
        self._state.keep_network(network)
        return network

    def _make_bridge(self, network: Network) -> int:
        seed = network.id[:8]
        mac = ":".join(["02", "42", *(seed[place : place + 2] for place in range(0, 8, 2))])
        try:
            self.route.ask(route.new_bridge(network.bridge, mtu=network.mtu, mac=mac))
        except OSError as error:
            raise _refusal(f"make bridge {network.bridge}", error) from None
        link = route.find_link(self.route, network.bridge)
        if link is None:
            raise BadNetwork(f"bridge {network.bridge} is gone again")
        try:
            self._set_up(network, link.index)
        except BaseException:
            self.remove([], [network])
            raise
        return link.index

    def _set_up(self, network: Network, index: int) -> None:
        alias = os.fsencode(f"{_OURS}{network.name}{_OF}{self._whose}")[:_LONGEST_ALIAS]
        self.route.ask(route.set_alias(index, os.fsdecode(alias)))
        six = any(":" in each.network for each in network.subnets)
        conf = f"conf/{network.bridge}"
        _sysctl(f"ipv4/{conf}/route_localnet", "1")
        _sysctl(f"ipv6/{conf}/disable_ipv6", "0" if six else "1")
        messages = []
        for each in network.subnets:
            gateway, whole = ipaddress.ip_address(each.gateway), parse_network(each.network)
            messages.append(route.new_address(index, gateway.packed, whole.prefixlen))
        messages.append(route.set_up(index))
        if six:
            _sysctl(f"ipv6/{conf}/accept_ra", "0")
            _sysctl(f"ipv6/{conf}/accept_dad", "0")
        self.route.ask(*messages)
        if not network.internal:
            _forward(six=six)

    # links

    def join(self, endpoint: Endpoint, network: Network, bridge: int, namespace: int) -> None:
        """Make the pair of links of an endpoint, into a namespace that is open."""
        try:
            self.route.ask(
                route.new_veth(
                    endpoint.link,
                    master=bridge,
                    mtu=network.mtu,
                    peer=endpoint.interface,
                    mac=endpoint.mac,
                    namespace=namespace,
                ),
                route.bridge_port(
                    endpoint.link, hairpin=True, isolated=not network.icc and not _sees_bridged()
                ),
            )
        except OSError as error:
            raise _refusal(f"connect to network {network.name}", error) from None

    def remove(self, endpoints: Iterable[Endpoint], networks: Iterable[Network]) -> None:
        """Take away the links of endpoints, where they still are, and the bridges of
        networks that are ours."""
        named = [route.find_link(self.route, each.link) for each in endpoints]
        for network in networks:
            link = route.find_link(self.route, network.bridge)
            if link is not None and link.alias.startswith(_OURS):
                named.append(link)
        indexes = [each.index for each in named if each is not None]
        if not indexes:
            return
        if len(indexes) == 1:
            messages = [route.delete_link(indexes[0])]
        else:
            messages = route.delete_links(indexes, int.from_bytes(os.urandom(4)) | 1)
        try:
            self.route.ask(*messages)
        except OSError as error:
            if error.errno != errno.ENODEV:  # its container's end took it meanwhile
                raise

    # the packet filter

    def admit(self, member: Member, networks: Iterable[Network], *, first: bool) -> None:
        """Let a container's packets pass; `first`: there is no table yet, as far as is known.

        `networks` are those whose bridges were made for it.
        """
        if first:
            batch = rules.whole(self.table, [member], networks, anew=False, comment=self._whose)
        else:
            elements = [rules.of_member(member), *map(rules.of_network, networks)]
            batch = [message for each in elements for message in rules.added(self.table, each)]
        try:
            nft.commit(self._netfilter, batch)
        except OSError as error:
            if error.errno in _REFUSED:
                raise _refusal("filter packets", error) from None
            self.rewrite()

    def rewrite(self) -> None:
        """Make the table what the state says, or take it away when nobody is in a network."""
        members = [each for each in self._state.members() if each.endpoints]
        if not members:
            self._drop_table()
            return
        there = {endpoint.network for each in members for endpoint in each.endpoints}
        active = [each for each in self._state.networks() if each.id in there]
        try:
            batch = rules.whole(self.table, members, active, anew=True, comment=self._whose)
            nft.commit(self._netfilter, batch)
        except OSError as error:
            raise _refusal("filter packets", error) from None

    def change(self, before: Member, after: Member, networks: Iterable[Network]) -> None:
        """Let a container's packets pass as it is now; `networks` are new ones."""
        batch = rules.removed(self.table, rules.of_member(before))
        for each in (rules.of_member(after), *map(rules.of_network, networks)):
            batch += rules.added(self.table, each)
        try:
            nft.commit(self._netfilter, batch)
        except OSError:
            self.rewrite()

    def dismiss(self, member: Member, networks: Iterable[Network]) -> None:
        """Take a container out of the table; `networks` are those that it was the last in."""
        elements = [rules.of_member(member), *map(rules.of_network, networks)]
        batch = [message for each in elements for message in rules.removed(self.table, each)]
        try:
            nft.commit(self._netfilter, batch)
        except OSError:
            self.rewrite()

    def forget_flows(self, member: Member) -> None:
        """Let datagrams to a container's published ports be looked at anew: those of a flow that
        is known go where its first one went, to a container that is gone or to this host.

        Never fails: such a flow ends by itself when nothing was sent for a while.
        """
        ports = [each for each in member.ports if each.protocol == "udp"]
        if not ports:
            return
        from lamina.linux.conntrack import forget_datagrams

        try:
            own = {address for _, address, _ in route.addresses(self.route)}
            for each in ports:
                host = ipaddress.ip_address(each.host_ip)
                meant = own if host.is_unspecified else {host.packed}
                forget_datagrams(self._netfilter, each.host_port, meant.__contains__)
        except OSError:
            pass

    def _drop_table(self) -> None:
        try:
            nft.commit(self._netfilter, [nft.delete_table(self.table)])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def root_of(alias: str) -> str:
    """The root directory of the store whose bridge it is that has this alias; empty for
    other links, and for a path that did not fit."""
    if not alias.startswith(_OURS) or len(os.fsencode(alias)) >= _LONGEST_ALIAS:
        return ""
    return alias.partition(_OF)[2]


@contextmanager
def _whole_host() -> Iterator[None]:
    """Alone on this host with choosing subnets."""
    RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(RUN / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _forward(*, six: bool) -> None:
    """Let this host pass packets on, as Docker does."""
    if _read_sysctl("ipv4/ip_forward") == "0":
        _sysctl("ipv4/ip_forward", "1")
    if six and _read_sysctl("ipv6/conf/all/forwarding") == "0":
        # A host that forwards no longer listens to routers unless it is told to.
        for name in os.listdir("/proc/sys/net/ipv6/conf"):
            if _read_sysctl(f"ipv6/conf/{name}/accept_ra") == "1":
                _sysctl(f"ipv6/conf/{name}/accept_ra", "2")
        _sysctl("ipv6/conf/all/forwarding", "1")


def _sees_bridged() -> bool:
    """Whether our packet filter is asked about packets between ports of one bridge.

    Then it keeps containers apart; the bridge would keep them also from published ports of
    each other, since the kernel redirects before it forwards.
    """
    try:
        with (
            open("/proc/sys/net/bridge/bridge-nf-call-iptables", encoding="ascii") as four,
            open("/proc/sys/net/bridge/bridge-nf-call-ip6tables", encoding="ascii") as six,
        ):
            return four.read().strip() == six.read().strip() == "1"
    except OSError:
        return False


def _read_sysctl(name: str) -> str:
    try:
        with open(f"/proc/sys/net/{name}", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def _sysctl(name: str, value: str) -> None:
    try:
        fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # a kernel without IPv6
    except OSError as error:
        raise _refusal(f"set net/{name}", error) from None
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _refusal(what: str, error: OSError) -> NoNetworks:
    return NoNetworks(what, error.strerror or str(error))
