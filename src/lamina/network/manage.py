"""The verbs on networks: make and remove them, connect containers and disconnect them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lamina.linux.netns import in_network_of, owns_network
from lamina.network import inside
from lamina.network.addresses import overlapping, parse_address, parse_network, subnet_of
from lamina.network.describe import DRIVERS
from lamina.network.errors import (
    EACH_ITS_OWN,
    AlreadyConnected,
    BadNetwork,
    NetworkNotFound,
    NoNetworks,
    NotConnected,
    SubnetTaken,
)
from lamina.network.host import Host
from lamina.network.networks import (
    PREDEFINED,
    add_network,
    all_networks,
    bridge_options,
    check_name,
    default_network,
    find_network,
    members_of,
    pick,
    remove_network,
)
from lamina.network.request import Attachment, NetworkRequest, is_bridged
from lamina.network.sandbox import default_routes, endpoint, reclaim
from lamina.network.state import Member, Network, State, Subnet


def create(
    root: Path,
    name: str,
    *,
    now: str,
    subnets: Sequence[str] = (),
    gateways: Sequence[str] = (),
    ranges: Sequence[str] = (),
    auxiliary: Mapping[str, str] | None = None,
    ipv6: bool = False,
    internal: bool = False,
    attachable: bool = False,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Network:
    """Make a network.

    Gateways, ranges and auxiliary addresses belong to the subnets that they are in.
    Raises BadNetwork, NetworkExists, SubnetTaken, NoSubnetLeft; NoNetworks where the host's
    network is not ours to change.
    """
    check_name(name)
    if not owns_network():
        raise NoNetworks(f"make network {name}", EACH_ITS_OWN)
    state = State(root)
    asked = _subnets(subnets, gateways, ranges, auxiliary or {})
    network = Network(
        *("", name, now, ""),
        subnets=asked,
        ipv6=ipv6 or any(":" in each.network for each in asked),
        internal=internal,
        labels=dict(labels or {}),
        options=dict(options or {}),
        attachable=attachable,
    )
    fields: dict[str, Any] = bridge_options(network.options)
    network = replace(network, **fields)
    with state.lock(), Host(state) as host:
        network = _on_own_bridge(host, network)
        clash = overlapping(asked, [*host.taken(), *_defined(state)])
        if clash is not None and network.own_bridge:
            raise SubnetTaken(*clash)
        return add_network(state, host, network)


def remove(root: Path, text: str) -> Network:
    """Remove a network.  Raises NetworkNotFound, NetworkInUse, Predefined."""
    state = State(root)
    with state.lock(), Host(state) as host:
        reclaim(state, host, "")
        return remove_network(state, host, text)


def prune(
    root: Path, kept: Collection[str], *, only: Collection[str] | None = None
) -> list[Network]:
    """Remove the networks that nobody is in; returns them.

    `kept` are names and ids that stopped containers ask for, `only` the ids of those that
    may go.
    """
    state = State(root)
    removed = []
    with state.lock(), Host(state) as host:
        reclaim(state, host, "")
        for each in state.networks():
            if each.name in PREDEFINED or each.name in kept or each.id in kept:
                continue
            if only is not None and each.id not in only:
                continue
            if not members_of(state, each):
                removed.append(remove_network(state, host, each.id))
    return removed


def connect(root: Path, container: str, pid: int, asked: Attachment, *, now: str = "") -> None:
    """Put a running container, whose first process is `pid`, into another network.

    Raises NetworkNotFound, AlreadyConnected, NotConnected (it has no network of bridges
    at all), BadNetwork, AddressTaken.
    """
    state = State(root)
    with state.lock(), Host(state) as host:
        default_network(state, host, [asked], now)
        network = find_network(state, asked.network)
        member = state.member(container)
        if member is None:
            raise BadNetwork(
                f"container {container[:12]} was started with --network none, and no other"
                " network can join it",
                hint="stop it, connect it, and start it again",
            )
        if any(each.network == network.id for each in member.endpoints):
            raise AlreadyConnected(member.name, network.name)
        others = state.members()
        active = {each.network for other in others for each in other.endpoints}
        bridge, network = host.bridge(network)
        made = endpoint(network, asked, others, _interface(member))
        after = replace(member, endpoints=(*member.endpoints, made))
        try:
            state.keep_member(after)
            _enter(host, pid, after, bridge, network)
            host.change(member, after, [] if network.id in active else [network])
            host.forget_flows(after)
        except BaseException:
            state.keep_member(member)
            host.remove([made], [] if network.id in active else [network])
            host.rewrite()
            raise


def disconnect(root: Path, container: str, pid: int, text: str) -> None:
    """Take a running container out of a network.  Raises NetworkNotFound, NotConnected."""
    state = State(root)
    with state.lock(), Host(state) as host:
        network = find_network(state, text)
        member = state.member(container)
        gone = [each for each in (member.endpoints if member else ()) if each.network == network.id]
        if member is None or not gone:
            raise NotConnected(member.name if member else container[:12], network.name)
        rest = tuple(each for each in member.endpoints if each.network != network.id)
        after = replace(member, endpoints=rest)
        state.keep_member(after)
        last = [] if members_of(state, network) else [network]
        host.remove(gone, last)
        host.rewrite()
        host.forget_flows(after)
        routes = [each for each in default_routes(after) if each is not None]
        if routes:
            in_network_of(pid, inside.route_by(routes))


def with_network(
    request: NetworkRequest, asked: Attachment, container: str, names: Collection[str]
) -> NetworkRequest:
    """The request of a container that is connected to another network, which goes by `names`.

    Raises BadNetwork, AlreadyConnected.
    """
    if asked.network in DRIVERS:
        raise BadNetwork(f"a container cannot be connected to network {asked.network}")
    if request.mode == "none" and not request.publish:
        # What was disconnected from everything may be connected again.
        return _of((asked,), request)
    if not is_bridged(request.mode):
        raise BadNetwork(
            f"container {container} has network {request.mode}, which goes with no other"
        )
    if any(each.network in names for each in request.attachments):
        raise AlreadyConnected(container, asked.network)
    return replace(request, further=(*request.further, asked))


def without_network(
    request: NetworkRequest, names: Collection[str], container: str
) -> NetworkRequest:
    """The request of a container that is disconnected from the network that goes by `names`.

    Raises NotConnected.
    """
    left = tuple(each for each in request.attachments if each.network not in names)
    if len(left) == len(request.attachments):
        raise NotConnected(container, min(names, key=len))
    if not left:
        return replace(request, mode="none", aliases=(), ip="", ip6="", mac="", further=())
    return _of(left, request)


def named(root: Path, text: str) -> Network:
    """A network, also one that is always there.  Raises NetworkNotFound, BadNetwork."""
    return pick(all_networks(State(root)), text)


def _of(attachments: tuple[Attachment, ...], request: NetworkRequest) -> NetworkRequest:
    first, *further = attachments
    return replace(
        request,
        mode=first.network,
        aliases=first.aliases,
        ip=first.ip,
        ip6=first.ip6,
        mac=first.mac,
        further=tuple(further),
    )


def _enter(host: Host, pid: int, member: Member, bridge: int, network: Network) -> None:
    made = member.endpoints[-1]
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise NetworkNotFound(f"of process {pid}") from None
    try:
        host.join(made, network, bridge, namespace)
    finally:
        os.close(namespace)
    four, six = default_routes(member)
    in_network_of(pid, inside.connect_later(made, four=four is made, six=six is made))


def _interface(member: Member) -> str:
    taken = {each.interface for each in member.endpoints}
    return next(name for n in range(1 << 16) if (name := f"eth{n}") not in taken)


def _subnets(
    subnets: Sequence[str],
    gateways: Sequence[str],
    ranges: Sequence[str],
    auxiliary: Mapping[str, str],
) -> tuple[Subnet, ...]:
    left = [*gateways, *ranges]
    found = []
    for text in subnets:
        network = parse_network(text)
        mine = [each for each in gateways if parse_address(each) in network]
        within = [each for each in ranges if parse_network(each).network_address in network]
        if len(mine) > 1 or len(within) > 1:
            raise BadNetwork(f"subnet {network} has one gateway and one range at most")
        left = [each for each in left if each not in (*mine, *within)]
        subnet = subnet_of(network, gateway="".join(mine), within="".join(within))
        aux = {key: each for key, each in auxiliary.items() if parse_address(each) in network}
        found.append(replace(subnet, auxiliary=aux))
    if left:
        raise BadNetwork(
            f"{left[0]} is in none of the subnets" if subnets else f"no subnet for {left[0]}",
            hint="name the subnet that it is in: --subnet 10.1.0.0/16",
        )
    return tuple(found)


def _defined(state: State) -> list[Any]:
    return [parse_network(each.network) for known in state.networks() for each in known.subnets]


def _on_own_bridge(host: Host, network: Network) -> Network:
    """A bridge that is there already stays whoever's it is."""
    if network.bridge and host.has_link(network.bridge):
        return replace(network, own_bridge=False)
    return network
