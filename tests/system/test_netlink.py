"""What our messages made, read back by a library that knows nothing of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.linux import netfilter, netlink_route
from lamina.linux.netlink import ROUTE, Message, Netlink
from lamina.linux.netns import in_new_network, within_network
from lamina.network import rules
from lamina.network.state import Endpoint, Member, Network, Port
from tests.rights import needs_rights

pytestmark = [pytest.mark.system, needs_rights]

MEMBER = Member(
    "c",
    *("web", "h", 1, 1, ""),
    (Endpoint("n", "lan", "e", "vl0", "eth0", "m", "10.0.0.2", 24, ip6="fd00::2", prefix6=64),),
    (Port(80, "tcp", "0.0.0.0", 8080), Port(53, "udp", "::1", 5353)),
)


@pytest.fixture
def apart() -> Iterator[Callable[[Callable[[], object]], object]]:
    """What does work in an empty namespace."""
    namespace, _ = in_new_network(lambda fd: None)
    yield lambda work: within_network(namespace, work)
    os.close(namespace)


def test_links_addresses_and_routes(apart: Callable[[Callable[[], object]], object]) -> None:
    from pyroute2 import IPRoute

    def work() -> None:
        with Netlink(ROUTE) as route:
            route.ask(netlink_route.new_bridge("lm-x", mtu=1400, mac="02:42:00:00:00:07"))
            link = netlink_route.find_link(route, "lm-x")
            assert link
            route.ask(
                netlink_route.set_alias(link.index, "whose it is"),
                netlink_route.new_address(link.index, bytes([10, 9, 0, 1]), 24),
                netlink_route.new_address(link.index, b"\xfd" + bytes(14) + b"\1", 64),
                netlink_route.set_up(link.index),
                netlink_route.default_route(link.index, bytes([10, 9, 0, 254])),
            )
            there = [netlink_route.find_link(route, "lm-x"), netlink_route.find_link(route, "no")]
        assert there[0] and there[0].alias == "whose it is" and there[0].up
        assert there[1] is None
        with IPRoute() as other:
            (seen,) = other.get_links(ifname="lm-x")
            assert seen.get("IFLA_MTU") == 1400
            assert seen.get("IFLA_ADDRESS") == "02:42:00:00:00:07"
            assert seen.get("IFLA_IFALIAS") == "whose it is"
            assert seen.get(("linkinfo", "kind")) == "bridge"
            assert seen["state"] == "up"
            found = {each.get("IFA_ADDRESS") for each in other.get_addr(index=seen["index"])}
            assert {"10.9.0.1", "fd00::1"} <= found
            (default,) = other.get_default_routes()
            assert default.get("RTA_GATEWAY") == "10.9.0.254"

    apart(work)


def test_a_failure_has_the_kernels_words(apart: Callable[[Callable[[], object]], object]) -> None:
    def work() -> None:
        with Netlink(ROUTE) as route:
            route.ask(netlink_route.new_bridge("lm-x"))
            with pytest.raises(FileExistsError):
                route.ask(netlink_route.new_bridge("lm-x"))
            with pytest.raises(OSError, match="netlink"):
                route.ask(netlink_route.delete_link(9999))

    apart(work)


def test_the_packet_filter_is_as_nft_shows_it(
    apart: Callable[[Callable[[], object]], object],
) -> None:
    network = Network("n", "lan", "", "lm-n", internal=True)

    def commit(messages: list[Message]) -> None:
        with netfilter.open_netfilter() as filter_:
            netfilter.commit(filter_, messages)

    def listed() -> str:
        return subprocess.run(
            ["nft", "list", "ruleset"], capture_output=True, text=True, check=True
        ).stdout

    def work() -> None:
        commit(rules.whole("t", [MEMBER], [network], anew=False))
        with pytest.raises(FileExistsError):
            commit(rules.whole("t", [MEMBER], [network], anew=False))
        commit(rules.whole("t", [MEMBER], [network], anew=True))
        _tables()
        if _has_nft():
            text = " ".join(listed().split())
            assert "tcp . 8080 : 10.0.0.2 . 80" in text
            assert "::1 . udp . 5353 : fd00::2 . 53" in text
            assert 'elements = { "lm-n" . "lm-n" }' in text
            assert 'set internal { type ifname elements = { "lm-n" }' in text
            assert "ct state established,related accept" in text
            assert "ct status dnat accept" in text
        # A transaction is whole or nothing.
        other = Network("m", "other", "", "lm-m")
        bad = [*rules.added("t", rules.of_network(other)), netfilter.delete_table("no")]
        with pytest.raises(FileNotFoundError):
            commit(bad)
        commit(rules.added("t", rules.of_network(other)))
        commit(rules.removed("t", rules.of_network(other)))
        commit(rules.removed("t", rules.of_member(MEMBER)))
        with pytest.raises(FileNotFoundError):
            commit(rules.removed("t", rules.of_member(MEMBER)))
        commit([netfilter.delete_table("t")])
        commit([netfilter.new_table("t", comment="/of/whom"), netfilter.new_table("u")])
        commit([netfilter.new_table("long", comment="/" * 300)])
        with netfilter.open_netfilter() as filter_:
            told = {"t": "/of/whom", "u": "", "long": ""}
            assert dict(netfilter.tables(filter_)) == told
        if _has_nft():
            assert 'comment "/of/whom"' in listed()

    apart(work)


def _has_nft() -> bool:
    return any(os.access(f"{place}/nft", os.X_OK) for place in ("/usr/sbin", "/sbin"))


def _tables() -> None:
    """Our table, its sets and chains, as pyroute2 reads them."""
    from pyroute2.nftables.main import NFTables

    with NFTables(nfgen_family=1) as other:
        assert [each.get("NFTA_TABLE_NAME") for each in other.get_tables()] == ["t"]
        chains = {each.get("NFTA_CHAIN_NAME") for each in other.get_chains()}
        assert {"guard", "prerouting", "output", "forward", "postrouting"} <= chains
        assert len(list(other.get_rules())) > 10


IMPORTS = """
import time, msgspec, _socket, ctypes, struct, pathlib, ipaddress, threading, fcntl
import lamina.linux.syscall
begun = time.perf_counter()
import lamina.linux.netlink, lamina.linux.netlink_route, lamina.linux.netfilter
print(time.perf_counter() - begun)
"""


def test_the_encoder_is_small_enough_to_be_worth_it(tmp_path: Path) -> None:
    """pyroute2 takes a quarter of a second; the limit here is a twentieth of that."""
    command = [sys.executable, "-X", f"pycache_prefix={tmp_path}", "-c", IMPORTS]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    times = [
        float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
        for _ in range(4)
    ]
    assert min(times) < 0.0125
