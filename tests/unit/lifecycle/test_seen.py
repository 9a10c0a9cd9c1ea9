"""The PORTS column, as Docker prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.lifecycle.seen import Seen, ports_text
from lamina.network.request import NetworkRequest, PortBinding
from lamina.network.state import Member, Port
from lamina.oci.digest import Digest
from lamina.run.settings import Settings
from lamina.run.spec import Process
from lamina.store.container_contract import ContainerRecord

IMAGE = Digest("sha256:" + "0" * 64)


def looked(
    ports: list[Port], exposed: tuple[str, ...] = (), *, status: str = "running", mode: str = ""
) -> Seen:
    record = ContainerRecord("a" * 64, "web", "bb", IMAGE, (), "", status=status)
    request = NetworkRequest(
        mode=mode, publish=tuple(PortBinding(p.container_port, p.protocol) for p in ports)
    )
    settings = Settings(Process((), ()), network=request, exposed=exposed)
    member = Member("a" * 64, "web", "web", 1, 2, "", ports=tuple(ports))
    return Seen(record, Path("/"), settings, False, member)


def port(inside: int, outside: int, address: str = "0.0.0.0", protocol: str = "tcp") -> Port:
    return Port(inside, protocol, address, outside)


@pytest.mark.parametrize(
    ("ports", "exposed", "text"),
    [
        ([], (), ""),
        ([], ("443/tcp",), "443/tcp"),
        ([port(80, 8080)], ("443/tcp", "80/tcp"), "443/tcp, 0.0.0.0:8080->80/tcp"),
        ([port(80, 80), port(80, 80, "::")], (), "0.0.0.0:80->80/tcp, [::]:80->80/tcp"),
        ([port(80, 80), port(81, 81), port(83, 83)], (),
         "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp"),
        ([], ("8000/tcp", "8001/tcp", "8002/tcp", "53/udp"), "53/udp, 8000-8002/tcp"),
        ([port(53, 53, "127.0.0.1", "udp")], ("53/tcp",), "53/tcp, 127.0.0.1:53->53/udp"),
    ],
)  # fmt: skip
def test_published_and_exposed(ports: list[Port], exposed: tuple[str, ...], text: str) -> None:
    assert ports_text(looked(ports, exposed)) == text


@pytest.mark.parametrize(("status", "mode"), [("exited", ""), ("created", ""), ("running", "host")])
def test_nothing_is_published_of_what_does_not_run_or_is_in_the_hosts_network(
    status: str, mode: str
) -> None:
    assert ports_text(looked([port(80, 8080)], ("80/tcp",), status=status, mode=mode)) == ""


def test_which_ports_and_networks_are_its_own() -> None:
    look = looked([port(80, 8080)], ("443/tcp", "80/tcp", "53/udp"))
    assert look.exposed == ("53/udp", "80/tcp", "443/tcp")
    assert (look.mode, look.health_status) == ("bridge", "none")
