"""resolv.conf: read, changed as the user asks, written."""

from __future__ import annotations

from lamina.network.resolver import Resolver, chosen, parse, reachable, with_names, write

HOST = parse(
    "# comment\nnameserver 192.0.2.1\nnameserver nonsense\nnameserver fe80::1%eth0\n"
    "domain ignored\nsearch a.example b.example ; c\noptions timeout:1 attempts:2\nsortlist x\n"
)


def test_what_a_host_has() -> None:
    assert (
        Resolver(
            ("192.0.2.1", "fe80::1%eth0"), ("a.example", "b.example"), ("timeout:1", "attempts:2")
        )
        == HOST
    )
    assert parse("nameserver\noptions\nsearch\n\x00") == Resolver()


def test_what_is_asked_for_takes_the_place_of_the_hosts() -> None:
    assert chosen(HOST) == HOST
    mine = chosen(HOST, servers=["1.1.1.1"], search=["."], options=["ndots:2"])
    assert write(mine) == "nameserver 1.1.1.1\noptions ndots:2\n"


def test_a_container_with_names_asks_its_watcher() -> None:
    assert with_names(HOST) == Resolver(
        ("127.0.0.11",), HOST.search, ("timeout:1", "attempts:2", "ndots:0")
    )
    assert with_names(Resolver(options=("ndots:3",))).options == ("ndots:3",)


def test_loopback_and_links_are_not_reached_from_another_network() -> None:
    assert reachable(["127.0.0.53", "::1", "fe80::1%eth0", "192.0.2.1"]) == ("192.0.2.1",)
