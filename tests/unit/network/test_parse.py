"""`-p`, `--expose` and `--network`: what they mean, and what is said of what means nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import EngineError
from lamina.network.parse import (
    BadNetworkOption,
    BadPort,
    check_address,
    check_mac,
    check_server,
    network_request,
    parse_exposed,
    parse_network,
    parse_publish,
)
from lamina.network.request import Attachment, NetworkRequest, PortBinding


@pytest.mark.parametrize(
    ("text", "bindings"),
    [
        ("80", [PortBinding(80)]),
        ("80/udp", [PortBinding(80, "udp")]),
        ("8080:80", [PortBinding(80, "tcp", "", 8080)]),
        ("8080:80/SCTP", [PortBinding(80, "sctp", "", 8080)]),
        ("127.0.0.1:8080:80", [PortBinding(80, "tcp", "127.0.0.1", 8080)]),
        ("127.0.0.1::80", [PortBinding(80, "tcp", "127.0.0.1")]),
        ("[::1]:8080:80", [PortBinding(80, "tcp", "::1", 8080)]),
        ("::1:8080:80", [PortBinding(80, "tcp", "::1", 8080)]),
        ("8000-8001:80-81", [PortBinding(80, "tcp", "", 8000), PortBinding(81, "tcp", "", 8001)]),
        ("8000-8003:80", [PortBinding(80, "tcp", "", 8000, 8003)]),
        ("80-81", [PortBinding(80), PortBinding(81)]),
        ("published=8080,target=80,protocol=udp", [PortBinding(80, "udp", "", 8080)]),
    ],
)
def test_what_is_published(text: str, bindings: list[PortBinding]) -> None:
    assert list(parse_publish(text)) == bindings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no port specified: <empty>"),
        ("8080:", "no port specified: 8080:<empty>"),
        ("http", "invalid containerPort: http"),
        ("0:80", "invalid hostPort: 0"),
        ("65536:80", "invalid hostPort: 65536"),
        ("9000-8000:80", "invalid hostPort: 9000-8000"),
        ("80/icmp", "invalid proto: icmp"),
        ("/tcp", "no port specified"),
        ("300.0.0.1:1:80", "invalid IP address: 300.0.0.1"),
        ("localhost:1:80", "invalid IP address: localhost"),
        ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81"),
        ("published=80,port=1", "unknown option 'port'"),
        ("published=80", "no target"),
    ],
)
def test_what_is_no_port_is_told(text: str, said: str) -> None:
    with pytest.raises(BadPort) as caught:
        parse_publish(text)
    assert said in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_ports_or_an_error_of_ours(text: str) -> None:
    try:
        for each in parse_publish(text):
            assert 0 < each.container_port < 65536
            assert 0 <= each.host_port < 65536
    except EngineError:
        pass


def test_ports_that_are_exposed() -> None:
    assert parse_exposed("80") == ((80, "tcp"),)
    assert parse_exposed("80-82/udp") == ((80, "udp"), (81, "udp"), (82, "udp"))
    with pytest.raises(BadPort, match="invalid port to expose: x"):
        parse_exposed("x")


def test_a_network_by_name_and_with_more() -> None:
    assert parse_network("lan") == Attachment("lan")
    assert parse_network("default") == Attachment("bridge")
    assert parse_network("container:a=b") == Attachment("container:a=b")
    long = "name=lan,alias=a,alias=b,ip=10.0.0.5,ip6=fd00::5,mac-address=02-00-00-00-00-0A"
    assert parse_network(long) == Attachment(
        "lan", ("a", "b"), "10.0.0.5", "fd00::5", "02:00:00:00:00:0a"
    )
    for text in ("", "container:", "alias=a", "name=lan,colour=red"):
        with pytest.raises(BadNetworkOption):
            parse_network(text)


def test_several_networks_are_one_request() -> None:
    first = Attachment("", ("x",), "10.0.0.9")
    request = network_request([Attachment("a"), Attachment("b")], first, NetworkRequest())
    assert request.attachments == (Attachment("a", ("x",), "10.0.0.9"), Attachment("b"))


def test_no_network_is_the_default_one() -> None:
    request = network_request([], Attachment(""), NetworkRequest(publish_all=True))
    assert request == NetworkRequest(publish_all=True)
    assert request.attachments == (Attachment("bridge"),)
    assert NetworkRequest(mode="host").attachments == ()


@pytest.mark.parametrize(
    ("networks", "first", "rest", "said"),
    [
        (["a", "a"], Attachment(""), NetworkRequest(), "specified multiple times"),
        (["a", "host"], Attachment(""), NetworkRequest(), "goes with no other"),
        (["host", "a"], Attachment(""), NetworkRequest(), "goes with no other"),
        (["bridge"], Attachment("", ("x",)), NetworkRequest(), "network-scoped aliases"),
        ([], Attachment("", (), "10.0.0.9"), NetworkRequest(), "user defined networks only"),
        (["host"], Attachment("", ("x",)), NetworkRequest(), "--network-alias"),
        (["none"], Attachment("", (), "10.0.0.9"), NetworkRequest(), "--ip"),
        (["container:x"], Attachment(""), NetworkRequest(publish_all=True), "port publishing"),
        (["container:x"], Attachment(""), NetworkRequest(dns=("1.1.1.1",)), "dns"),
        (
            ["a"],
            Attachment(""),
            NetworkRequest(publish=(PortBinding(1, "tcp", "", 9), PortBinding(2, "tcp", "", 9))),
            "published twice",
        ),
    ],
)
def test_what_does_not_go_together_is_told(
    networks: list[str], first: Attachment, rest: NetworkRequest, said: str
) -> None:
    with pytest.raises(EngineError) as caught:
        network_request([Attachment(each) for each in networks], first, rest)
    assert said in str(caught.value)


def test_addresses_are_looked_at() -> None:
    assert check_address("fd00:0::1", 6) == "fd00::1"
    assert check_server("fd00::1") == "fd00::1"
    assert check_mac("02:42:AC:11:00:02") == "02:42:ac:11:00:02"
    for text in ("x", "01:00:00:00:00:00", "00:00:00:00:00:00"):
        with pytest.raises(BadNetworkOption):
            check_mac(text)
    with pytest.raises(BadNetworkOption):
        check_address("10.0.0.1", 6)
    with pytest.raises(BadNetworkOption):
        check_server("dns.example")
