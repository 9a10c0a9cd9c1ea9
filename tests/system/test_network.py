"""Networks on the real kernel: who reaches whom, by which address and name, and what is left."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lamina.errors import EngineError
from lamina.linux import netfilter, netlink_route
from lamina.linux.netlink import ROUTE, Message, Netlink
from lamina.linux.netns import in_new_network
from lamina.network import manage
from lamina.network.errors import (
    AddressTaken,
    BadNetwork,
    NetworkInUse,
    NetworkNotFound,
    PortTaken,
    SubnetTaken,
)
from lamina.network.host import Host
from lamina.network.request import Attachment, NetworkRequest, PortBinding
from lamina.network.sandbox import reconcile
from lamina.network.state import Network, State
from tests.rights import roots_alone
from tests.system.conftest import Lamina, free_port
from tests.system.sandboxes import NOW, Box, Boxes, boxes_of, fetch, within

pytestmark = [pytest.mark.system, roots_alone("bridges of the host")]


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[Boxes]:
    """Boxes of a new store; afterwards nothing of it is on the host."""
    root = tmp_path / "store"
    root.mkdir()
    with boxes_of(root) as made:
        yield made
    assert left(root) == []


def left(root: Path) -> list[str]:
    """Links and tables of a store that are on the host."""
    state = State(root)
    with Netlink(ROUTE) as route, netfilter.open_netfilter() as filter_:
        found = [each.name for each in netlink_route.links(route) if str(root) in each.alias]
        table = Host(state).table
        if netfilter.has_table(filter_, table):
            found.append(table)
    return found + [path.name for path in state.member_directory.glob("*")]


def make(boxes: Boxes, name: str, **fields: object) -> Network:
    return manage.create(boxes.root, name, now=NOW, **fields)  # type: ignore[arg-type]


def on(network: str, *publish: PortBinding, **fields: object) -> NetworkRequest:
    return NetworkRequest(mode=network, publish=publish, **fields)  # type: ignore[arg-type]


# who reaches whom


def test_containers_of_the_default_network_reach_each_other(boxes: Boxes) -> None:
    one, other = boxes("one"), boxes("other")
    one.serve()
    assert other.fetch(one.ip) == f"one {other.ip}"


def test_the_host_reaches_a_container_by_its_address(boxes: Boxes) -> None:
    box = boxes("web")
    box.serve()
    assert fetch(box.ip, 80).startswith("web ")


def test_a_container_reaches_the_host_and_what_it_sends_elsewhere_has_the_hosts_address(
    boxes: Boxes, outside: Outside
) -> None:
    box = boxes("web")
    outside.serve()
    assert box.fetch(outside.ip, outside.port) == f"outside {outside.gateway}"


def test_nobody_outside_reaches_a_port_that_is_not_published(
    boxes: Boxes, outside: Outside
) -> None:
    box = boxes("web")
    box.serve()
    assert within(outside.namespace, lambda: fetch(box.ip, 80, wait=0.3)) == "nothing"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_a_published_port_is_reached_from_everywhere(
    boxes: Boxes, outside: Outside, kind: int
) -> None:
    port = free_port()
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    web = boxes("web", on("", PortBinding(80, protocol, host_port=port)))
    web.serve(kind=kind)
    neighbour = boxes("neighbour")
    make(boxes, "apart")
    apart = boxes("apart", on("apart"))
    host = outside.gateway
    assert fetch("127.0.0.1", port, kind=kind).startswith("web "), "the host's loopback"
    assert fetch(host, port, kind=kind).startswith("web "), "the host's own address"
    seen = within(outside.namespace, lambda: fetch(host, port, kind=kind))
    assert seen == f"web {outside.ip}", "another machine, whose address is seen"
    assert neighbour.fetch(host, port, kind=kind).startswith("web "), "a neighbour, by the host"
    assert web.fetch(host, port, kind=kind).startswith("web "), "the container itself"
    assert apart.fetch(host, port, kind=kind).startswith("web "), "another network, by the host"


def test_who_sends_datagrams_all_along_reaches_whoever_has_the_port(boxes: Boxes) -> None:
    """A flow of datagrams goes where its first one went, unless it is forgotten."""
    port = free_port()
    request = on("", PortBinding(80, "udp", host_port=port))

    def asked(client: socket.socket) -> str:
        try:
            client.send(b"?")
            return client.recv(100).decode().split()[0]
        except (TimeoutError, ConnectionRefusedError):
            return "nothing"

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", port))
        assert asked(client) == "nothing"
        first = boxes("first", request)
        first.serve(kind=socket.SOCK_DGRAM)
        assert asked(client) == "first", "not to the host, where it went before"
        boxes.open.remove(first)
        first.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
            program.bind(("127.0.0.1", port))
            client.send(b"?")
            program.settimeout(2)
            assert program.recv(10) == b"?", "to the host, since nobody has published it"
        boxes("between")  # it has the address that the first had
        second = boxes("second", request)
        second.serve(kind=socket.SOCK_DGRAM)
        assert second.ip != first.ip
        assert asked(client) == "second"


def test_a_port_of_one_address_is_published_there_alone(boxes: Boxes, outside: Outside) -> None:
    port = free_port()
    web = boxes("web", on("", PortBinding(80, host_ip="127.0.0.1", host_port=port)))
    web.serve()
    assert fetch("127.0.0.1", port).startswith("web ")
    assert fetch(outside.gateway, port) == "nothing"
    there = boxes("there", on("", PortBinding(80, host_ip=outside.gateway, host_port=port)))
    there.serve()
    assert fetch(outside.gateway, port).startswith("there ")
    assert fetch("127.0.0.1", port).startswith("web ")


def test_a_bridge_is_no_way_to_the_loopback_of_the_host(boxes: Boxes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as private:
        port = private.getsockname()[1]
        box = boxes("evil")

        def cheat() -> str:
            # What a container with raw packets can do: the loopback's address by the gateway.
            with Netlink(ROUTE) as route:
                link = netlink_route.find_link(route, "eth0")
                assert link
                subprocess.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"], check=True)
                Path("/proc/sys/net/ipv4/conf/eth0/route_localnet").write_text("1")
                Path("/proc/sys/net/ipv4/conf/all/route_localnet").write_text("1")
                subprocess.run(["ip", "route", "add", "127.0.0.1", "dev", "eth0"], check=False)
            return fetch("127.0.0.1", port, wait=0.3)

        assert box.do(cheat).startswith("nothing")


def test_networks_are_apart(boxes: Boxes) -> None:
    make(boxes, "blue")
    make(boxes, "green")
    blue, green = boxes("blue", on("blue")), boxes("green", on("green"))
    default = boxes("default")
    blue.serve()
    for other in (green, default):
        assert other.do(lambda: fetch(blue.ip, 80, wait=0.3)) == "nothing"


def test_an_internal_network_has_no_way_out_or_in(boxes: Boxes, outside: Outside) -> None:
    make(boxes, "inner", internal=True)
    one, other = boxes("one", on("inner")), boxes("other", on("inner"))
    one.serve()
    outside.serve()
    assert other.fetch(one.ip).startswith("one ")
    assert one.do(lambda: fetch(outside.ip, outside.port, wait=0.3)).startswith("nothing")
    # Not even with a route that the container makes itself.
    gateway = one.sandbox.member.endpoints[0].gateway  # type: ignore[union-attr]
    command = ["ip", "route", "add", "default", "via", gateway]
    one.do(lambda: subprocess.run(command, check=True))
    assert one.do(lambda: fetch(outside.ip, outside.port, wait=0.3)) == "nothing"


def test_without_icc_containers_reach_each_other_by_published_ports_alone(boxes: Boxes) -> None:
    port = free_port()
    make(boxes, "strict", options={"com.docker.network.bridge.enable_icc": "false"})
    one = boxes("one", on("strict", PortBinding(80, host_port=port)))
    other = boxes("other", on("strict"))
    one.serve()
    gateway = other.sandbox.member.endpoints[0].gateway  # type: ignore[union-attr]
    assert other.do(lambda: fetch(one.ip, 80, wait=0.3)).startswith("nothing")
    assert other.fetch(gateway, port).startswith("one ")
    assert fetch("127.0.0.1", port).startswith("one ")


def test_none_is_loopback_alone(busybox_store: Lamina) -> None:
    script = "ls /sys/class/net && cat /sys/class/net/lo/operstate && ping -c 1 -q 127.0.0.1"
    output = busybox_store("run", "--rm", "--network", "none", "busybox", "sh", "-c", script).stdout
    assert output.startswith("lo\n")
    assert "1 packets received" in output
    assert not (busybox_store.root / "networks").exists()


def _interfaces() -> list[str]:
    with Netlink(ROUTE) as route:
        return [each.name for each in netlink_route.links(route) if each.up]


# IPv6


def test_ipv6_has_addresses_names_and_published_ports(boxes: Boxes, outside: Outside) -> None:
    port = free_port()
    make(boxes, "six", ipv6=True)
    web = boxes("web", on("six", PortBinding(80, host_port=port)))
    other = boxes("other", on("six"))
    web.serve()
    assert web.ip6.startswith("fd")
    assert web.ports() == [("0.0.0.0", port), ("::", port)]
    assert other.fetch(web.ip6) == f"web {other.ip6}"
    assert ask(other, "web", 28) == [web.ip6]
    assert fetch("127.0.0.1", port).startswith("web ")
    assert fetch("::1", port).startswith("web "), "the host's loopback"
    assert fetch(outside.gateway6, port).startswith("web ")
    seen = within(outside.namespace, lambda: fetch(outside.gateway6, port))
    assert seen == f"web {outside.ip6}"
    assert web.fetch(outside.gateway6, port).startswith("web "), "the container itself"
    outside.serve()
    assert web.fetch(outside.ip6, outside.port) == f"outside {outside.gateway6}"


def test_the_loopback_of_ipv6_is_published_alone(boxes: Boxes) -> None:
    port = free_port()
    make(boxes, "six", ipv6=True)
    web = boxes("web", on("six", PortBinding(80, host_ip="::1", host_port=port)))
    web.serve()
    assert web.ports() == [("::1", port)]
    assert fetch("::1", port).startswith("web ")
    assert fetch("127.0.0.1", port) == "nothing"


def test_ipv6_is_carried_to_a_container_that_has_none(boxes: Boxes, outside: Outside) -> None:
    port, local = free_port(), free_port()
    publish = (PortBinding(80, host_port=port), PortBinding(80, host_ip="::1", host_port=local))
    web = boxes("web", on("", *publish))
    assert web.ports() == [("0.0.0.0", port), ("::", port), ("::1", local)]
    assert fetch("::1", port) == "", "closed: nobody listens there yet"
    web.serve()
    assert fetch("::1", port).startswith("web ")
    assert fetch("::1", local).startswith("web ")
    assert within(outside.namespace, lambda: fetch(outside.gateway6, port)).startswith("web ")
    with pytest.raises(BadNetwork, match="no IPv6 address"):
        boxes("udp", on("", PortBinding(80, "udp", host_ip="::1", host_port=port)))


def test_much_is_carried_both_ways_whole(boxes: Boxes) -> None:
    port = free_port()
    web = boxes("web", on("", PortBinding(80, host_port=port)))
    listening = web.do(lambda: socket.create_server(("0.0.0.0", 80)))
    sent = os.urandom(1 << 20) * 8

    def echo() -> None:
        connection, _ = listening.accept()
        with connection:
            received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            connection.sendall(received[::-1])

    thread = threading.Thread(target=echo)
    thread.start()
    with socket.create_connection(("::1", port), 5) as asking:
        asking.sendall(sent)
        asking.shutdown(socket.SHUT_WR)
        back = b"".join(iter(lambda: asking.recv(1 << 16), b""))
    thread.join()
    listening.close()
    assert back == sent[::-1]


# ports


def test_a_port_is_published_once(boxes: Boxes) -> None:
    port = free_port()
    boxes("web", on("", PortBinding(80, host_port=port)))
    for binding in (PortBinding(81, host_port=port), PortBinding(81, "tcp", "127.0.0.1", port)):
        with pytest.raises(PortTaken, match=f"Bind for .*:{port} failed: port is already alloc"):
            boxes("second", on("", binding))
    boxes("udp", on("", PortBinding(80, "udp", host_port=port)))


def test_a_port_of_a_program_of_the_host_is_taken_and_the_other_way_round(boxes: Boxes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as program:
        port = program.getsockname()[1]
        with pytest.raises(PortTaken):
            boxes("web", on("", PortBinding(80, host_port=port)))
    boxes("web", on("", PortBinding(80, host_port=port)))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("0.0.0.0", port))


def test_ports_are_found_for_publish_all_and_in_ranges(boxes: Boxes) -> None:
    web = boxes("web", NetworkRequest(publish_all=True), exposed=("80/tcp", "53/udp"))
    assert web.sandbox.member
    named = [(each.container_port, each.protocol) for each in web.sandbox.member.ports]
    assert named == [(53, "udp"), (80, "tcp"), (80, "tcp")]
    assert web.ports()[1][1] == web.ports()[2][1], "of both families"
    web.serve()
    assert fetch("127.0.0.1", web.ports()[1][1]).startswith("web ")
    first = free_port()
    ranged = NetworkRequest(publish=(PortBinding(80, "tcp", "", first, first + 3),))
    chosen = [boxes(f"r{n}", ranged).ports()[0][1] for n in range(2)]
    assert len(set(chosen)) == 2
    assert set(chosen) <= set(range(first, first + 4))


def test_what_failed_leaves_the_others_and_nothing_of_its_own(boxes: Boxes) -> None:
    port = free_port()
    web = boxes("web", on("", PortBinding(80, host_port=port)))
    web.serve()
    free = free_port()
    with pytest.raises(PortTaken):
        boxes("second", on("", PortBinding(81, host_port=free), PortBinding(81, host_port=port)))
    assert fetch("127.0.0.1", port).startswith("web ")
    socket.create_server(("0.0.0.0", free)).close()
    assert len(State(boxes.root).members()) == 1


# names


def ask(box: Box, name: str, kind: int = 1, *, stream: bool = False) -> list[str]:
    """What a container gets for a name; the code as text when that is no answer."""
    question = os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0"
    question += b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    question += struct.pack("!HH", kind, 1)

    def work() -> bytes:
        with socket.socket(
            socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        ) as s:
            s.settimeout(3)
            s.connect(("127.0.0.11", 53))
            s.send(struct.pack("!H", len(question)) + question if stream else question)
            return s.recv(1000)[2:] if stream else s.recv(1000)

    answer = box.do(work)
    assert answer[:2] == question[:2]
    code, count = answer[3] & 15, struct.unpack("!H", answer[6:8])[0]
    if code:
        return [f"code {code}"]
    found, place = [], len(question)
    for _ in range(count):
        length = struct.unpack("!H", answer[place + 10 : place + 12])[0]
        data = answer[place + 12 : place + 12 + length]
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        found.append(socket.inet_ntop(family, data) if family else data.decode("latin-1"))
        place += 12 + length
    return found


def test_names_aliases_and_ids_are_found_in_networks_that_were_made(boxes: Boxes) -> None:
    make(boxes, "lan")
    make(boxes, "other")
    web = boxes("web", on("lan", aliases=("www", "Site")))
    asking = boxes("asking", on("lan"))
    apart = boxes("apart", on("other"))
    for name in ("web", "WEB", "www", "site", web.id[:12], "web.lan"):
        assert ask(asking, name) == [web.ip], name
    assert ask(asking, "web", stream=True) == [web.ip]
    assert ask(asking, "web", 28) == []
    reverse = ".".join(reversed(web.ip.split("."))) + ".in-addr.arpa"
    assert ask(asking, reverse, 12) == ["\3web\3lan\0"]
    assert ask(asking, "asking") == [asking.ip]
    assert ask(apart, "web") != [web.ip]
    assert asking.sandbox.resolv_conf.startswith("nameserver 127.0.0.11\n")


def test_a_name_of_several_containers_has_all_their_addresses(boxes: Boxes) -> None:
    make(boxes, "lan")
    pool = [boxes(f"w{n}", on("lan", aliases=("pool",))) for n in range(3)]
    found = ask(pool[0], "pool")
    assert sorted(found) == sorted(box.ip for box in pool)
    closed = pool.pop()
    boxes.open.remove(closed)
    closed.close()
    assert sorted(ask(pool[0], "pool")) == sorted(box.ip for box in pool)


def test_a_container_may_serve_names_itself(boxes: Boxes) -> None:
    make(boxes, "lan")
    box = boxes("dns", on("lan"))
    box.serve(53, kind=socket.SOCK_DGRAM)
    box.serve(53)
    other = boxes("other", on("lan"))
    assert other.fetch(box.ip, 53, kind=socket.SOCK_DGRAM).startswith("dns ")
    assert ask(box, "other") == [other.ip]


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
def test_other_names_are_asked_of_the_servers_that_dns_names(
    boxes: Boxes, outside: Outside, stream: bool
) -> None:
    make(boxes, "lan")
    outside.serve_names()
    box = boxes("box", on("lan", dns=("127.0.0.99", outside.ip), dns_search=("example.org",)))
    assert ask(box, "far.example.org", stream=stream) == ["203.0.113.7"]
    assert box.sandbox.resolv_conf.splitlines() == [
        "nameserver 127.0.0.11",
        "search example.org",
        "options ndots:0",
    ]


def test_an_internal_network_asks_nobody_else(boxes: Boxes, outside: Outside) -> None:
    make(boxes, "inner", internal=True)
    outside.serve_names()
    box = boxes("box", on("inner", dns=(outside.ip,)))
    assert ask(box, "far.example.org") == ["code 3"]


# several networks, connected and disconnected


def test_a_container_in_two_networks_is_reached_in_both(boxes: Boxes) -> None:
    make(boxes, "blue")
    make(boxes, "green")
    both = boxes("both", NetworkRequest(mode="blue", further=(Attachment("green", ("g",)),)))
    blue, green = boxes("blue", on("blue")), boxes("green", on("green"))
    both.serve()
    assert blue.fetch(ask(blue, "both")[0]).startswith("both ")
    assert green.fetch(ask(green, "g")[0]).startswith("both ")


def test_a_running_container_is_connected_and_disconnected(boxes: Boxes, outside: Outside) -> None:
    make(boxes, "blue")
    make(boxes, "green", internal=True)
    port = free_port()
    box = boxes("box", on("green", PortBinding(80, host_port=port)))
    other = boxes("other", on("blue"))
    box.serve()
    outside.serve()
    with holding(box) as pid:
        manage.connect(boxes.root, box.id, pid, Attachment("blue", ("late",)))
        assert other.fetch(ask(other, "late")[0]).startswith("box ")
        assert box.fetch(other.ip, 1) == "nothing", "refused, so there is a way"
        assert box.fetch(outside.ip, outside.port).startswith("outside "), "a way out"
        assert ask(box, "other") == [other.ip]
        with pytest.raises(EngineError, match="already connected"):
            manage.connect(boxes.root, box.id, pid, Attachment("blue"))
        manage.disconnect(boxes.root, box.id, pid, "blue")
        assert ask(other, "late") != [box.ip]
        assert box.do(_interfaces) == ["lo", "eth0"]
        with pytest.raises(EngineError, match="not connected"):
            manage.disconnect(boxes.root, box.id, pid, "blue")


def test_a_published_port_follows_the_network_that_is_left(boxes: Boxes) -> None:
    make(boxes, "blue")
    make(boxes, "green")
    port = free_port()
    box = boxes("box", on("blue", PortBinding(80, host_port=port), further=(Attachment("green"),)))
    box.serve()
    assert fetch("127.0.0.1", port).startswith("box ")
    with holding(box) as pid:
        manage.disconnect(boxes.root, box.id, pid, "blue")
        assert fetch("127.0.0.1", port).startswith("box ")


class holding:  # noqa: N801 - reads as the block that it opens
    """A process in a box, whose network is then known by its pid."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def __enter__(self) -> int:
        self._process = self._box.do(lambda: subprocess.Popen(["sleep", "60"]))
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


# addresses


def test_a_network_gives_the_addresses_that_are_asked_of_it(boxes: Boxes) -> None:
    subnet = unused(0)
    base = subnet.rpartition(".")[0]
    make(boxes, "mine", subnets=(subnet,), gateways=(f"{base}.5",), ranges=(f"{base}.128/30",))
    first = boxes("first", on("mine", ip=f"{base}.77", mac="02:00:00:00:00:09"))
    assert first.ip == f"{base}.77"
    assert first.do(_mac) == "02:00:00:00:00:09"
    assert boxes("second", on("mine")).ip == f"{base}.128"
    with pytest.raises(AddressTaken, match="already in use"):
        boxes("third", on("mine", ip=f"{base}.77"))
    with pytest.raises(AddressTaken):
        boxes("third", on("mine", ip=f"{base}.5"))
    with pytest.raises(BadNetwork, match="does not belong to any"):
        boxes("third", on("mine", ip="10.9.8.7"))
    with pytest.raises(BadNetwork, match="no subnet that was asked for"):
        boxes("third", NetworkRequest(mode="bridge", ip=f"{base}.78"))


def _mac() -> str:
    with Netlink(ROUTE) as route:
        link = netlink_route.find_link(route, "eth0")
    assert link
    return link.address


def unused(number: int) -> str:
    """A subnet of this test process's own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
    return f"10.{200 + worker}.{number}.0/24"


def test_a_subnet_of_the_host_is_refused_or_another_one_found(
    boxes: Boxes, tmp_path: Path, outside: Outside
) -> None:
    with pytest.raises(SubnetTaken):
        make(boxes, "clash", subnets=(outside.subnet,))
    other = tmp_path / "other"
    other.mkdir()
    with boxes_of(other) as theirs:
        subnet = unused(1)
        make(boxes, "same", subnets=(subnet,))
        make(theirs, "same", subnets=(subnet,))
        boxes("a", on("same"))
        with pytest.raises(SubnetTaken):
            theirs("b", on("same"))
        # What was found and not asked for is found anew.
        default = boxes("c")
        stolen = theirs("d")
        assert default.ip != stolen.ip
    assert left(other) == []


def test_an_unknown_network_is_told(boxes: Boxes) -> None:
    with pytest.raises(NetworkNotFound, match="network nope not found"):
        boxes("box", on("nope"))


def test_a_network_is_removed_when_nobody_is_in_it(boxes: Boxes) -> None:
    make(boxes, "lan")
    make(boxes, "spare")
    boxes("box", on("lan"))
    with pytest.raises(NetworkInUse, match="network lan has active endpoints: box"):
        manage.remove(boxes.root, "lan")
    assert [each.name for each in manage.prune(boxes.root, {"lan"})] == ["spare"]
    assert [each.name for each in State(boxes.root).networks()] == ["lan"]


# many, and what is left


def test_many_at_once_do_not_clash(boxes: Boxes) -> None:
    make(boxes, "lan")
    failures: list[BaseException] = []

    def start(number: int) -> None:
        try:
            boxes(f"b{number}", on("lan", PortBinding(80)))
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=start, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({box.ip for box in boxes.open}) == 20
    assert len({box.ports()[0] for box in boxes.open}) == 20
    boxes.open[0].serve()
    assert boxes.open[19].fetch(boxes.open[0].ip).startswith("b")


KILLED = """
import os, sys, time
from pathlib import Path
from lamina.network.request import NetworkRequest, PortBinding
from lamina.network.sandbox import open_sandbox
port = int(sys.argv[2])
open_sandbox(Path(sys.argv[1]), NetworkRequest(publish=(PortBinding(80, host_port=port),)),
    container=sys.argv[3], name="dead", hostname="dead", now="2026-01-01T00:00:00Z")
print("open", flush=True)
time.sleep(60)
"""


def test_what_was_killed_is_put_in_order_by_the_next_look(boxes: Boxes) -> None:
    port = free_port()
    command = [sys.executable, "-c", KILLED, str(boxes.root), str(port), "d" * 64]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"open\n"
        reconcile(boxes.root)
        assert left(boxes.root), "it lives"
        process.send_signal(signal.SIGKILL)
    assert left(boxes.root)
    reconcile(boxes.root)
    assert left(boxes.root) == []


def test_a_start_puts_in_order_what_was_killed(boxes: Boxes) -> None:
    port = free_port()
    command = [sys.executable, "-c", KILLED, str(boxes.root), str(port), "d" * 64]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"open\n"
        process.kill()
    box = boxes("next", on("", PortBinding(80, host_port=port)))
    box.serve()
    assert fetch("127.0.0.1", port).startswith("next ")
    assert len(State(boxes.root).members()) == 1


def test_a_member_of_another_boot_is_dead(boxes: Boxes) -> None:
    box = boxes("box")
    state = State(boxes.root)
    assert box.sandbox.member
    with state.lock():
        state.keep_member(replace(box.sandbox.member, boot="another"))
    reconcile(boxes.root)
    assert left(boxes.root) == []


def test_what_a_crash_tore_is_nobodys(boxes: Boxes) -> None:
    directory = State(boxes.root).member_directory
    directory.mkdir(parents=True)
    (directory / f"{'e' * 64}.json").write_bytes(b"")
    boxes("box")
    assert len(list(directory.iterdir())) == 1


# an outside machine


class Outside:
    """A namespace that stands for another machine, beside this host and not behind it."""

    def __init__(self, number: int) -> None:
        self.subnet = f"198.18.{number}.0/24"
        self.gateway, self.ip = f"198.18.{number}.1", f"198.18.{number}.2"
        self.gateway6, self.ip6 = f"2001:db8:{number:x}::1", f"2001:db8:{number:x}::2"
        self.port = 7777
        self._link = f"out{number}"
        self._sockets: list[socket.socket] = []
        self._remove_links()  # of tests that were killed
        self.namespace, _ = in_new_network(lambda fd: None)
        with Netlink(ROUTE) as route:
            route.ask(netlink_route.new_bridge(self._link))
            link = netlink_route.find_link(route, self._link)
            assert link
            route.ask(
                netlink_route.new_veth(
                    f"{self._link}v",
                    master=link.index,
                    mtu=0,
                    peer="eth0",
                    mac="02:00:00:00:01:02",
                    namespace=self.namespace,
                ),
                *self._addresses(link.index, self.gateway, self.gateway6),
            )
        within(self.namespace, self._configure)

    def _configure(self) -> None:
        with Netlink(ROUTE) as route:
            link = netlink_route.find_link(route, "eth0")
            assert link
            route.ask(*self._addresses(link.index, self.ip, self.ip6))
            for gateway in (self.gateway, self.gateway6):
                family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
                packed = socket.inet_pton(family, gateway)
                route.ask(netlink_route.default_route(link.index, packed))

    @staticmethod
    def _addresses(index: int, four: str, six: str) -> list[Message]:
        return [
            netlink_route.new_address(index, socket.inet_pton(socket.AF_INET, four), 24),
            netlink_route.new_address(index, socket.inet_pton(socket.AF_INET6, six), 64),
            netlink_route.set_up(index),
        ]

    def serve(self) -> None:
        """Answer connections with `outside` and the address of who asks."""
        listening = within(
            self.namespace,
            lambda: socket.create_server(
                ("::", self.port), family=socket.AF_INET6, dualstack_ipv6=True
            ),
        )
        self._sockets.append(listening)

        def run() -> None:
            while True:
                try:
                    connection, address = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(f"outside {address[0].removeprefix('::ffff:')}".encode())

        threading.Thread(target=run, daemon=True).start()

    def serve_names(self) -> None:
        """Answer every question with 203.0.113.7."""
        udp = within(self.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("0.0.0.0", 53))
        tcp = within(self.namespace, lambda: socket.create_server(("0.0.0.0", 53)))
        self._sockets += [udp, tcp]

        def answer(question: bytes) -> bytes:
            head = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:]
            return head + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xcb\0\x71\7"

        def run_udp() -> None:
            while True:
                try:
                    question, address = udp.recvfrom(1000)
                    if not question:
                        return  # closed
                    udp.sendto(answer(question), address)
                except OSError:
                    return

        def run_tcp() -> None:
            while True:
                try:
                    connection, _ = tcp.accept()
                except OSError:
                    return
                with connection:
                    reply = answer(connection.recv(1000)[2:])
                    connection.sendall(struct.pack("!H", len(reply)) + reply)

        for work in (run_udp, run_tcp):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        self._remove_links()
        os.close(self.namespace)

    def _remove_links(self) -> None:
        """Take away the bridge and the veth.

        The veth by itself: with its namespace alone it would go only some time later, and its
        name with it.
        """
        with Netlink(ROUTE) as route:
            for name in (self._link, f"{self._link}v"):
                if link := netlink_route.find_link(route, name):
                    route.ask(netlink_route.delete_link(link.index))


@pytest.fixture
def outside() -> Iterator[Outside]:
    """Another machine, next to this one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
    made = Outside(worker + 1)
    try:
        yield made
    finally:
        made.close()
