"""The requests of containers that are connected and disconnected while they do not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.network.errors import AlreadyConnected, BadNetwork, NotConnected
from lamina.network.manage import with_network, without_network
from lamina.network.networks import all_networks, bridge_options, check_name, pick
from lamina.network.request import Attachment, NetworkRequest, PortBinding
from lamina.network.state import Network, State

LAN = Attachment("lan", ("db",))


def test_a_network_more() -> None:
    request = with_network(NetworkRequest(), LAN, "web", ("lan", "id"))
    assert request.attachments == (Attachment("bridge"), LAN)
    with pytest.raises(AlreadyConnected):
        with_network(request, LAN, "web", ("lan", "id"))
    for mode in ("host", "container:x"):
        with pytest.raises(BadNetwork, match=f"has network {mode}"):
            with_network(NetworkRequest(mode=mode), LAN, "web", ("lan",))
    with pytest.raises(BadNetwork, match="cannot be connected to network host"):
        with_network(NetworkRequest(), Attachment("host"), "web", ("host",))


def test_a_network_less_and_the_first_is_another_then() -> None:
    ports = (PortBinding(80),)
    request = NetworkRequest(mode="a", ip="10.0.0.2", publish=ports, further=(LAN,))
    assert without_network(request, ("a",), "web") == NetworkRequest(
        mode="lan", aliases=("db",), publish=ports
    )
    none = without_network(NetworkRequest(), ("bridge",), "web")
    assert none.attachments == ()
    assert with_network(none, LAN, "web", ("lan",)).attachments == (LAN,)
    with pytest.raises(NotConnected, match="web is not connected to network b"):
        without_network(request, ("b",), "web")


def test_options_of_the_bridge_driver() -> None:
    prefix = "com.docker.network."
    assert bridge_options(
        {
            f"{prefix}bridge.name": "br0",
            f"{prefix}driver.mtu": "1400",
            f"{prefix}bridge.enable_icc": "false",
            f"{prefix}bridge.enable_ip_masquerade": "0",
            f"{prefix}bridge.host_binding_ipv4": "127.0.0.1",
            "somebody.else": "x",
        }
    ) == {"bridge": "br0", "mtu": 1400, "icc": False, "masquerade": False, "host_ip": "127.0.0.1"}
    for name, value in (("driver.mtu", "12"), ("driver.mtu", "x"), ("bridge.enable_icc", "maybe")):
        with pytest.raises(BadNetwork):
            bridge_options({prefix + name: value})


def test_names_that_no_network_can_have() -> None:
    check_name("my-lan_1.x")
    for name in ("bridge", "host", "none", "default", "container:x", "", "-a", "a b", "a/b"):
        with pytest.raises(BadNetwork):
            check_name(name)


def test_what_is_there_before_anything_was_made(tmp_path: Path) -> None:
    networks = all_networks(State(tmp_path))
    assert [each.name for each in networks] == ["bridge", "host", "none"]
    assert pick(networks, networks[0].id[:12]).name == "bridge"
    assert list(tmp_path.iterdir()) == []


def test_an_id_may_be_shortened_as_long_as_it_is_one() -> None:
    networks = [Network(f"ab{n}" + "0" * 61, f"n{n}", "", "") for n in range(2)]
    assert pick(networks, "ab1").name == "n1"
    with pytest.raises(BadNetwork, match="several networks"):
        pick(networks, "ab")
