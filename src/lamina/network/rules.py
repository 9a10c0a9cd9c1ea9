"""The packet filter of a store's networks, as one nftables table.  Pure.

Everything about a container is an element of a set or map, so that a container comes and
goes with a few elements, whose keys say which they are; the rules themselves stay as long
as the table does.  What they say, in order:

- Nobody reaches the loopback addresses of the host by a bridge (they are routable there
  for the sake of published ports on 127.0.0.1).
- A connection to an address of this host and a published port goes on to its container.
- Into a bridge come only: what belongs to a known connection, what was redirected to a
  published port, and what comes from the same bridge if its containers may speak to each
  other.  Nothing enters or leaves an internal network.
- What leaves for elsewhere goes under this host's address; so does what a container, or
  the host's loopback, sends to a published port of the same bridge, since the answer must
  come back this way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from lamina.linux import netfilter as nft
from lamina.linux.netlink import Message
from lamina.network.state import Member, Network, Port

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_PORT = ("inet_proto", "inet_service")
_FAMILIES = ((nft.IPV4, "4", "ipv4_addr"), (nft.IPV6, "6", "ipv6_addr"))

SETS = (
    nft.Set("bridges", ("ifname",)),
    nft.Set("internal", ("ifname",)),
    nft.Set("open", ("ifname", "ifname")),
    *(
        each
        for _, digit, address in _FAMILIES
        for each in (
            nft.Set(f"containers{digit}", (address,)),
            nft.Set(f"masked{digit}", (address,)),
            nft.Set(f"ports{digit}", _PORT, (address, "inet_service")),
            nft.Set(f"bound{digit}", (address, *_PORT), (address, "inet_service")),
        )
    ),
)

Elements = dict[str, list[tuple[bytes, bytes]]]
"""By set: keys, and their values in maps."""


def _published() -> tuple[bytes, ...]:
    rules = []
    for family, digit, _ in _FAMILIES:
        # Registers of four bytes: the key from the first on, what is found in its place.
        after = nft.REGISTER + (1 if family == nft.IPV4 else 4)
        there = nft.redirect(family, nft.REGISTER, after)
        rules.append(
            nft.is_family(family)
            + nft.destination(family)
            + nft.protocol(after)
            + nft.port(after + 1)
            + nft.among(f"bound{digit}", into=nft.REGISTER)
            + there
        )
        rules.append(
            nft.is_family(family)
            + nft.protocol()
            + nft.port(nft.REGISTER + 1)
            + nft.among(f"ports{digit}", into=nft.REGISTER)
            + there
        )
    return tuple(rules)


def _forward() -> tuple[bytes, ...]:
    accept, drop = nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
    comes, goes = nft.interface(incoming=True), nft.interface(incoming=False)
    both = comes + nft.interface(incoming=False, register=nft.REGISTER + 4)
    return (
        nft.is_known() + accept,
        both + nft.among("open") + accept,
        comes + nft.among("internal") + drop,
        goes + nft.among("internal") + drop,
        goes + nft.among("bridges") + nft.was_redirected() + accept,
        goes + nft.among("bridges") + drop,
    )


def _postrouting() -> tuple[bytes, ...]:
    goes = nft.interface(incoming=False)
    own = goes + nft.among("bridges") + nft.was_redirected()
    rules = [own + nft.is_loopback(nft.IPV4, source=True) + nft.masquerade()]
    for family, digit, _ in _FAMILIES:
        rules += [
            own
            + nft.is_family(family)
            + nft.source(family)
            + nft.among(f"containers{digit}")
            + nft.masquerade(),
            nft.is_family(family)
            + goes
            + nft.among("bridges", negated=True)
            + nft.source(family)
            + nft.among(f"masked{digit}")
            + nft.masquerade(),
        ]
    return tuple(rules)


def _chains() -> tuple[nft.Chain, ...]:
    comes = nft.interface(incoming=True) + nft.among("bridges")
    local = nft.for_this_host() + nft.jump("published")
    return (
        nft.Chain("published", _published()),
        nft.Chain(
            "guard",
            (comes + nft.is_loopback(nft.IPV4, source=False) + nft.verdict(nft.DROP),),
            *("filter", nft.PREROUTING, nft.RAW),
        ),
        nft.Chain("prerouting", (local,), "nat", nft.PREROUTING, nft.DSTNAT),
        # Answers to ::1 would come by the bridge, where the kernel drops what has that address:
        # supervise/relay.py serves it.
        nft.Chain(
            "output",
            (nft.is_loopback(nft.IPV6, source=False) + nft.verdict(nft.ACCEPT), local),
            *("nat", nft.OUTPUT, nft.DSTNAT),
        ),
        nft.Chain("forward", _forward(), "filter", nft.FORWARD, nft.FILTER),
        nft.Chain("postrouting", _postrouting(), "nat", nft.POSTROUTING, nft.SRCNAT),
    )


def skeleton(table: str, *, anew: bool, comment: str = "") -> list[Message]:
    """The table, empty of containers; `anew`: in the place of one that may be there.

    Taking a table away costs 13 ms of waiting for all processors, so the usual start, which
    finds none, does without.
    """
    chains = _chains()
    messages = [nft.new_table(table, only=not anew, comment=comment)]
    if anew:
        messages += [nft.delete_table(table), nft.new_table(table, comment=comment)]
    messages += [nft.new_set(table, each, number) for number, each in enumerate(SETS, 1)]
    messages += [nft.new_chain(table, each) for each in chains]
    for chain in chains:
        messages += nft.new_rules(table, chain)
    return messages


def added(table: str, elements: Elements) -> list[Message]:
    """What puts elements into the table."""
    return [nft.add_elements(table, name, each) for name, each in elements.items() if each]


def removed(table: str, elements: Elements) -> list[Message]:
    """What takes them out again."""
    return [nft.delete_elements(table, name, each) for name, each in elements.items() if each]


def whole(
    table: str,
    members: Iterable[Member],
    networks: Iterable[Network],
    *,
    anew: bool,
    comment: str = "",
) -> list[Message]:
    """The table as it is to be with these members in these (active) networks; the comment
    says whose it is."""
    elements: Elements = {}
    for each in [*map(of_network, networks), *map(of_member, members)]:
        for name, found in each.items():
            elements.setdefault(name, []).extend(found)
    return skeleton(table, anew=anew, comment=comment) + added(table, elements)


def of_network(network: Network) -> Elements:
    """The elements that are there as long as a network's bridge is."""
    bridge = _name(network.bridge)
    elements: Elements = {"bridges": [(bridge, b"")]}
    if network.internal:
        elements["internal"] = [(bridge, b"")]
    if network.icc:
        elements["open"] = [(bridge + bridge, b"")]
    return elements


def of_member(member: Member) -> Elements:
    """The elements that are there as long as a container runs."""
    elements: Elements = {}
    for endpoint in member.endpoints:
        for address, digit in ((endpoint.ip, "4"), (endpoint.ip6, "6")):
            if not address:
                continue
            key = (_packed(address), b"")
            elements.setdefault(f"containers{digit}", []).append(key)
            if endpoint.masquerade and not endpoint.internal:
                elements.setdefault(f"masked{digit}", []).append(key)
    for port in member.ports:
        if target := target_of(member, port):
            name, element = _of_port(port, target)
            elements.setdefault(name, []).append(element)
    return elements


def target_of(member: Member, port: Port) -> str:
    """The address inside that a port leads to: of the first network with a way out that has
    one of the family; empty when none has."""
    six = ":" in port.host_ip
    for endpoint in member.endpoints:
        address = endpoint.ip6 if six else endpoint.ip
        if address and not endpoint.internal:
            return address
    return ""


def _of_port(port: Port, target: str) -> tuple[str, tuple[bytes, bytes]]:
    host, address = ipaddress.ip_address(port.host_ip), _packed(target)
    key = bytes([PROTOCOLS[port.protocol], 0, 0, 0]) + _number(port.host_port)
    value = address + _number(port.container_port)
    digit = "4" if len(address) == 4 else "6"
    if host.is_unspecified:
        return f"ports{digit}", (key, value)
    return f"bound{digit}", (host.packed + key, value)


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _number(port: int) -> bytes:
    return port.to_bytes(2) + bytes(2)


def _name(interface: str) -> bytes:
    return interface.encode().ljust(16, b"\0")
