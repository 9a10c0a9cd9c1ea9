"""Networks as Docker's `network inspect` shows them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.network.state import Endpoint, Member, Network

DRIVERS = {"host": "host", "none": "null"}


def driver(network: Network) -> str:
    """`bridge`, or what `host` and `none` have instead."""
    return DRIVERS.get(network.name, "bridge")


def describe(network: Network, members: Iterable[Member]) -> dict[str, Any]:
    """A network and the containers that are in it."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": driver(network),
        "EnableIPv4": True,
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": "default", "Options": {}, "Config": _pools(network)},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            member.container: _container(member, endpoint)
            for member in members
            for endpoint in member.endpoints
            if endpoint.network == network.id
        },
        "Options": _options(network),
        "Labels": network.labels,
    }


def _pools(network: Network) -> list[dict[str, Any]]:
    found = []
    for subnet in network.subnets:
        pool: dict[str, Any] = {"Subnet": subnet.network}
        if subnet.range:
            pool["IPRange"] = subnet.range
        pool["Gateway"] = subnet.gateway
        if subnet.auxiliary:
            pool["AuxiliaryAddresses"] = subnet.auxiliary
        found.append(pool)
    return found


def _options(network: Network) -> dict[str, str]:
    """The user's, and the name of the bridge, which `ip link` shows."""
    if not network.bridge:
        return network.options
    return {"com.docker.network.bridge.name": network.bridge, **network.options}


def _container(member: Member, endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": member.name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.ip}/{endpoint.prefix}" if endpoint.ip else "",
        "IPv6Address": f"{endpoint.ip6}/{endpoint.prefix6}" if endpoint.ip6 else "",
    }
