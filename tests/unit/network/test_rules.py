"""What of a container is in which set of the packet filter."""

from __future__ import annotations

from msgspec.structs import replace

from lamina.network import rules
from lamina.network.state import Endpoint, Member, Network, Port

ENDPOINT = Endpoint("n", "lan", "e", "vl0", "eth0", "02:42:0a:00:00:02", "10.0.0.2", 24)
MEMBER = Member("c", "web", "h", 1, 1, "", (ENDPOINT,))
ADDRESS = bytes([10, 0, 0, 2])


def test_a_port_of_every_address_and_of_one() -> None:
    ports = (Port(80, "tcp", "0.0.0.0", 8080), Port(53, "udp", "127.0.0.1", 5353))
    elements = rules.of_member(replace(MEMBER, ports=ports))
    assert elements["ports4"] == [
        (b"\x06\0\0\0" + b"\x1f\x90\0\0", ADDRESS + b"\0\x50\0\0"),
    ]
    assert elements["bound4"] == [
        (b"\x7f\0\0\1" + b"\x11\0\0\0" + b"\x14\xe9\0\0", ADDRESS + b"\0\x35\0\0"),
    ]


def test_what_goes_out_is_masked_unless_it_may_not_or_cannot() -> None:
    assert rules.of_member(MEMBER)["masked4"] == [(ADDRESS, b"")]
    for change in ({"internal": True}, {"masquerade": False}):
        endpoint = replace(ENDPOINT, **change)
        elements = rules.of_member(replace(MEMBER, endpoints=(endpoint,)))
        assert "masked4" not in elements
        assert elements["containers4"] == [(ADDRESS, b"")]


def test_a_port_leads_to_the_first_network_with_a_way_out_and_the_right_family() -> None:
    inner = replace(ENDPOINT, internal=True)
    six = replace(ENDPOINT, ip="10.0.1.2", ip6="fd00::2")
    member = replace(MEMBER, endpoints=(inner, six))
    assert rules.target_of(member, Port(80, "tcp", "0.0.0.0", 1)) == "10.0.1.2"
    assert rules.target_of(member, Port(80, "tcp", "::", 1)) == "fd00::2"
    assert rules.target_of(MEMBER, Port(80, "tcp", "::", 1)) == ""
    assert "ports6" not in rules.of_member(replace(MEMBER, ports=(Port(80, "tcp", "::", 1),)))


def test_what_kind_of_network_a_bridge_is_of() -> None:
    network = Network("n", "lan", "", "lm-0")
    name = b"lm-0".ljust(16, b"\0")
    assert rules.of_network(network) == {"bridges": [(name, b"")], "open": [(name + name, b"")]}
    assert rules.of_network(replace(network, internal=True, icc=False)) == {
        "bridges": [(name, b"")],
        "internal": [(name, b"")],
    }
