"""Which addresses networks and containers get.  Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator

from lamina.network.errors import AddressTaken, BadNetwork, NoAddressLeft, NoSubnetLeft
from lamina.network.state import Network, Subnet

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def choose_subnet(taken: Collection[IPNetwork]) -> Subnet:
    """The first of Docker's private subnets that nothing uses.  Raises NoSubnetLeft."""
    for candidate in _candidates():
        if not any(candidate.overlaps(each) for each in taken if each.version == 4):
            return subnet_of(candidate)
    raise NoSubnetLeft


def choose_subnet6(seed: str, taken: Collection[IPNetwork]) -> Subnet:
    """A unique local subnet (RFC 4193), made of hexadecimal digits that are as good as random."""
    base = int(f"fd{seed[:10]}", 16) << 80
    for number in range(1 << 16):
        candidate = ipaddress.IPv6Network((base | number << 64, 64))
        if not any(candidate.overlaps(each) for each in taken if each.version == 6):
            return subnet_of(candidate)
    raise NoSubnetLeft


def subnet_of(network: IPNetwork, *, gateway: str = "", within: str = "") -> Subnet:
    """A subnet whose gateway is its first address unless said otherwise.  Raises BadNetwork."""
    least = 30 if network.version == 4 else 126
    if network.prefixlen > least:
        raise BadNetwork(f"subnet {network} is too small", hint=f"/{least} is the smallest")
    first = gateway or str(network[1])
    if parse_address(first) not in network:
        raise BadNetwork(f"gateway {first} is not in subnet {network}")
    if within and not parse_network(within).subnet_of(network):  # type: ignore[arg-type]
        raise BadNetwork(f"range {within} is not in subnet {network}")
    return Subnet(str(network), first, within)


def take_address(network: Network, subnet: Subnet, used: Collection[str], wanted: str) -> str:
    """An address for a container: `wanted`, or the lowest that is free.

    Raises BadNetwork, AddressTaken, NoAddressLeft.
    """
    whole = parse_network(subnet.network)
    reserved = {subnet.gateway, *subnet.auxiliary.values(), *used}
    if wanted:
        if str(parse_address(wanted)) in reserved:
            raise AddressTaken(wanted)
        return str(parse_address(wanted))
    for candidate in _hosts(whole, subnet.range):
        if (text := str(candidate)) not in reserved:
            return text
    raise NoAddressLeft(network.name)


def subnet_for(network: Network, wanted: str, version: int) -> Subnet | None:
    """The subnet of a network that an address is taken from.  Raises BadNetwork."""
    subnets = [each for each in network.subnets if parse_network(each.network).version == version]
    if not wanted:
        return subnets[0] if subnets else None
    if network.chosen:
        raise BadNetwork(
            f"network {network.name} has no subnet that was asked for, so an address in it"
            " cannot be either",
            hint="make one with: lamina network create --subnet …",
        )
    address = parse_address(wanted)
    for each in subnets:
        if address in parse_network(each.network):
            return each
    raise BadNetwork(
        f"invalid address {wanted}: it does not belong to any of network {network.name}'s subnets"
    )


def parse_network(text: str) -> IPNetwork:
    """Raises BadNetwork."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadNetwork(f"not a subnet: {text!r}", hint="write it as 10.1.0.0/16") from None


def parse_address(text: str) -> IPAddress:
    """Raises BadNetwork."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise BadNetwork(f"not an address: {text!r}") from None


def mac_of(address: str, seed: str) -> str:
    """The hardware address of a container, from its IPv4 address as Docker makes it: whoever
    has an address again has it under the same one."""
    parsed = parse_address(address) if address else None
    tail = parsed.packed if parsed is not None and parsed.version == 4 else bytes.fromhex(seed[:8])
    return ":".join(f"{byte:02x}" for byte in b"\x02\x42" + tail)


def overlapping(subnets: Iterable[Subnet], taken: Iterable[IPNetwork]) -> tuple[str, str] | None:
    """A subnet and what it overlaps with; None when there is none."""
    networks = list(taken)
    for subnet in subnets:
        ours = parse_network(subnet.network)
        for each in networks:
            if ours.version == each.version and ours.overlaps(each):
                return str(ours), str(each)
    return None


def _candidates() -> Iterator[ipaddress.IPv4Network]:
    for second in range(17, 32):
        yield ipaddress.IPv4Network(f"172.{second}.0.0/16")
    yield from ipaddress.IPv4Network("192.168.0.0/16").subnets(new_prefix=20)
    # Docker ends here, after 31 networks.
    for second in range(89, 128):
        yield from ipaddress.IPv4Network(f"10.{second}.0.0/16").subnets(new_prefix=24)


def _hosts(whole: IPNetwork, within: str) -> Iterator[IPAddress]:
    part = parse_network(within) if within else whole
    first, last = int(part.network_address), int(part.broadcast_address)
    kind = type(whole.network_address)
    edge = {int(whole.network_address)}
    if whole.version == 4:
        edge.add(int(whole.broadcast_address))
    for number in range(first, last + 1):
        if number not in edge:
            yield kind(number)
