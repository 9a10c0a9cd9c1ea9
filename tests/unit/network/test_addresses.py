"""Which addresses networks and containers get."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.network.addresses import (
    choose_subnet,
    choose_subnet6,
    mac_of,
    overlapping,
    subnet_for,
    subnet_of,
    take_address,
)
from lamina.network.errors import AddressTaken, BadNetwork, NoAddressLeft, NoSubnetLeft
from lamina.network.state import Network, Subnet

IP = ipaddress.ip_network


def lan(*subnets: Subnet, chosen: bool = False) -> Network:
    return Network("i" * 64, "lan", "", "lm-x", subnets=subnets, chosen=chosen)


def test_the_first_subnet_that_nothing_uses_is_chosen() -> None:
    assert choose_subnet([]) == Subnet("172.17.0.0/16", "172.17.0.1")
    assert choose_subnet([IP("172.16.0.0/14")]).network == "172.20.0.0/16"
    assert choose_subnet([IP("172.17.3.4/32")]).network == "172.18.0.0/16"
    assert choose_subnet([IP("172.16.0.0/12")]).network == "192.168.0.0/20"
    assert choose_subnet([IP("172.16.0.0/12"), IP("192.168.0.0/16")]).network == "10.89.0.0/24"
    with pytest.raises(NoSubnetLeft):
        choose_subnet([IP("172.16.0.0/12"), IP("192.168.0.0/16"), IP("10.0.0.0/8")])


def test_a_unique_local_subnet_of_ipv6_is_made_of_the_stores_own_digits() -> None:
    first = choose_subnet6("0123456789ab", [])
    assert first == Subnet("fd01:2345:6789::/64", "fd01:2345:6789::1")
    assert choose_subnet6("0123456789ab", [IP(first.network)]).network == "fd01:2345:6789:1::/64"


def test_a_subnet_that_makes_no_sense_is_told() -> None:
    for text, gateway, within in (
        ("10.0.0.0/31", "", ""),
        ("10.0.0.0/24", "10.0.1.1", ""),
        ("10.0.0.0/24", "", "10.0.1.0/25"),
        ("10.0.0.0/24", "nothing", ""),
    ):
        with pytest.raises(BadNetwork):
            subnet_of(IP(text), gateway=gateway, within=within)


def test_addresses_are_taken_from_the_lowest_up_and_never_twice() -> None:
    subnet = Subnet("10.0.0.0/29", "10.0.0.1", auxiliary={"router": "10.0.0.3"})
    used: list[str] = []
    while True:
        try:
            used.append(take_address(lan(subnet), subnet, used, ""))
        except NoAddressLeft:
            break
    assert used == ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]


def test_the_ends_of_a_range_are_addresses_but_those_of_the_subnet_are_none() -> None:
    subnet = Subnet("10.0.0.0/24", "10.0.0.1", "10.0.0.252/30")
    used: list[str] = []
    for _ in range(3):
        used.append(take_address(lan(subnet), subnet, used, ""))
    assert used == ["10.0.0.252", "10.0.0.253", "10.0.0.254"]


@given(st.sets(st.integers(2, 60)))
def test_an_address_is_in_the_subnet_and_not_in_use(taken: set[int]) -> None:
    subnet = Subnet("10.0.0.0/26", "10.0.0.1")
    used = {f"10.0.0.{number}" for number in taken}
    address = take_address(lan(subnet), subnet, used, "")
    assert address not in used | {subnet.gateway}
    assert ipaddress.ip_address(address) in IP(subnet.network)


def test_an_address_that_is_asked_for() -> None:
    subnet = Subnet("10.0.0.0/24", "10.0.0.1")
    assert subnet_for(lan(subnet), "10.0.0.9", 4) == subnet
    assert take_address(lan(subnet), subnet, [], "10.0.0.9") == "10.0.0.9"
    with pytest.raises(AddressTaken):
        take_address(lan(subnet), subnet, ["10.0.0.9"], "10.0.0.9")
    with pytest.raises(BadNetwork, match="does not belong to any of network lan's subnets"):
        subnet_for(lan(subnet), "10.1.0.9", 4)
    with pytest.raises(BadNetwork, match="no subnet that was asked for"):
        subnet_for(lan(subnet, chosen=True), "10.0.0.9", 4)
    assert subnet_for(lan(subnet), "", 6) is None


def test_a_hardware_address_comes_from_the_address() -> None:
    assert mac_of("172.17.0.2", "") == "02:42:ac:11:00:02"
    assert mac_of("", "0a0b0c0dffff") == "02:42:0a:0b:0c:0d"


def test_subnets_that_overlap_are_named() -> None:
    ours = [Subnet("10.0.0.0/24", "10.0.0.1"), Subnet("fd00::/64", "fd00::1")]
    assert overlapping(ours, [IP("10.1.0.0/16")]) is None
    assert overlapping(ours, [IP("10.0.0.0/8")]) == ("10.0.0.0/24", "10.0.0.0/8")
