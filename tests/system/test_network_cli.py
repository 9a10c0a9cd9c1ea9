"""`lamina network`, and the network options of run, as a user types them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.linux.netlink import ROUTE, Netlink
from lamina.linux.netlink_route import links
from lamina.linux.processes import started
from lamina.network.state import token
from tests.rights import roots_alone
from tests.system.conftest import Lamina, free_port

pytestmark = pytest.mark.system

SERVE = "echo hello > /index.html; exec httpd -f -p 80 -h /"


@pytest.fixture
def lamina_net(busybox_store: Lamina) -> Iterator[Lamina]:
    """The command; afterwards nothing of its store is on the host."""
    yield busybox_store
    for identity in busybox_store("ps", "-aq").stdout.split():
        busybox_store("rm", "-f", identity)
    with Netlink(ROUTE) as route:
        root = str(busybox_store.root)
        assert [each.name for each in links(route) if root in each.alias] == []


def get(port: int, host: str = "127.0.0.1") -> str:
    """What a web server says, given a moment to begin."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with socket.create_connection((host, port), 2) as asking:
                asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: asking.recv(1000), b""))
            if answer or time.monotonic() > deadline:
                return answer.rpartition(b"\n\r\n")[2].decode().strip()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


@roots_alone("networks that containers share")
def test_networks_are_made_listed_shown_and_removed(lamina_net: Lamina) -> None:
    lamina = lamina_net
    identity = lamina(
        *("network", "create", "--label", "a=b", "--subnet", "10.231.7.0/24"),
        *("--gateway", "10.231.7.9", "--ip-range", "10.231.7.64/26", "--internal", "lan"),
    ).stdout.strip()
    assert len(identity) == 64
    table = lamina("network", "ls").stdout.splitlines()
    assert table[0].split("   ")[0] == "NETWORK ID"
    rows = [line.split() for line in table[1:]]
    assert [row[1:] for row in rows] == [
        ["bridge", "bridge", "local"],
        ["host", "host", "local"],
        ["lan", "bridge", "local"],
        ["none", "null", "local"],
    ]
    assert lamina("network", "ls", "-q", "--no-trunc", "-f", "label=a=b").stdout == identity + "\n"
    ls = ("network", "ls", "--format", "{{.Name}}")
    assert lamina(*ls, "-f", "type=custom").stdout == "lan\n"
    assert lamina(*ls, "-f", "driver=null").stdout == "none\n"
    assert lamina(*ls, "-f", "dangling=true").stdout == "lan\n"
    (shown,) = json.loads(lamina("network", "inspect", identity[:8]).stdout)
    assert shown["IPAM"]["Config"] == [
        {"Subnet": "10.231.7.0/24", "IPRange": "10.231.7.64/26", "Gateway": "10.231.7.9"}
    ]
    assert shown["Internal"] is True
    assert shown["Labels"] == {"a": "b"}
    assert lamina("network", "inspect", "-f", "{{.Driver}}", "none", "lan").stdout == (
        "null\nbridge\n"
    )
    again = lamina("network", "create", "lan", check=False)
    assert again.returncode == 1
    assert "network with name lan already exists" in again.stderr
    assert lamina("network", "rm", "lan").stdout == "lan\n"
    gone = lamina("network", "rm", "lan", check=False)
    assert gone.returncode == 1
    assert "network lan not found" in gone.stderr
    assert "pre-defined" in lamina("network", "rm", "bridge", check=False).stderr


@roots_alone("networks that containers share")
def test_containers_find_each_other_by_name_and_are_published(lamina_net: Lamina) -> None:
    lamina, port = lamina_net, free_port()
    lamina("network", "create", "lan")
    published = ("-p", f"127.0.0.1:{port}:80")
    lamina(
        *("run", "-d", "--name", "web", "--network", "lan", "--network-alias", "www", *published),
        *("busybox", "sh", "-c", SERVE),
    )
    assert get(port) == "hello"
    for name in ("web", "www"):
        inside = ("run", "--rm", "--network", "lan", "busybox", "wget", "-qO-", f"http://{name}")
        assert lamina(*inside).stdout == "hello\n"
    lamina("rename", "web", "site")
    asked = ("run", "--rm", "--network", "lan", "busybox", "nslookup", "site")
    assert "Name:\tsite" in lamina(*asked).stdout
    assert f"127.0.0.1:{port}->80/tcp" in lamina("ps").stdout
    (shown,) = json.loads(lamina("network", "inspect", "lan").stdout)
    assert [each["Name"] for each in shown["Containers"].values()] == ["site"]
    busy = lamina("network", "rm", "lan", check=False)
    assert "network lan has active endpoints: site" in busy.stderr
    assert lamina("network", "prune", "-f").stdout == ""
    lamina("rm", "-f", "site")
    assert lamina("network", "prune", "-f").stdout == "Deleted Networks:\nlan\n\n"


def test_a_taken_port_is_told_as_docker_does(lamina_net: Lamina) -> None:
    with socket.create_server(("0.0.0.0", 0)) as program:
        port = program.getsockname()[1]
        done = lamina_net("run", "-p", f"{port}:80", "busybox", "true", check=False)
    assert done.returncode == 125
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in done.stderr


@roots_alone("networks that containers share")
def test_publishing_is_refused_before_anything_is_made(lamina_net: Lamina) -> None:
    for options, said in (
        (("-p", "70000:80"), "invalid hostPort: 70000"),
        (("--ip", "10.0.0.1"), "user defined networks only"),
        (("--network", "nope"), "network nope not found"),
        (("--network", "container:nope"), "nope"),
    ):
        done = lamina_net("run", "--rm", *options, "busybox", "true", check=False)
        assert done.returncode == 125
        assert said in done.stderr


@roots_alone("networks that containers share")
def test_connected_and_disconnected_running_and_stopped(lamina_net: Lamina) -> None:
    lamina = lamina_net
    lamina("network", "create", "lan")
    lamina("run", "-d", "--name", "web", "busybox", "sh", "-c", SERVE)
    fetch = ("run", "--rm", "--network", "lan", "busybox", "wget", "-qO-", "http://db")
    assert lamina(*fetch, check=False).returncode != 0
    lamina("network", "connect", "--alias", "db", "lan", "web")
    assert lamina(*fetch).stdout == "hello\n"
    assert "already connected" in lamina("network", "connect", "lan", "web", check=False).stderr
    lamina("restart", "-t", "0", "web")
    assert lamina(*fetch).stdout == "hello\n", "also after it was started again"
    lamina("network", "disconnect", "lan", "web")
    assert lamina(*fetch, check=False).returncode != 0
    lamina("stop", "-t", "0", "web")
    lamina("network", "connect", "--alias", "db", "lan", "web")
    lamina("network", "disconnect", "bridge", "web")
    assert lamina("network", "prune", "-f").stdout == "", "a stopped container asks for it"
    lamina("start", "web")
    assert lamina(*fetch).stdout == "hello\n"
    assert lamina("exec", "web", "ls", "/sys/class/net").stdout.split() == ["eth0", "lo"]
    lamina("stop", "-t", "0", "web")
    gone = lamina("network", "disconnect", "bridge", "web", check=False)
    assert "web is not connected to network bridge" in gone.stderr


def test_a_containers_own_dns_and_hosts(lamina_net: Lamina) -> None:
    shown = lamina_net(
        *("run", "--rm", "--dns", "192.0.2.53", "--dns-search", "a.example", "-h", "box"),
        *("--dns-option", "ndots:2", "busybox", "cat", "/etc/resolv.conf", "/etc/hosts"),
    ).stdout
    assert shown.startswith("nameserver 192.0.2.53\nsearch a.example\noptions ndots:2\n")
    assert shown.rstrip().endswith("\tbox")


def test_a_container_in_the_network_of_another(lamina_net: Lamina) -> None:
    lamina = lamina_net
    lamina("run", "-d", "--name", "web", "busybox", "sh", "-c", SERVE)
    joined = ("run", "--rm", "--network", "container:web", "busybox", "wget", "-qO-")
    assert lamina(*joined, "http://127.0.0.1").stdout == "hello\n"
    none = lamina("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net").stdout
    assert none.split() == ["lo"]


@roots_alone("networks that containers share")
def test_what_a_deleted_store_left_is_taken_away(lamina_net: Lamina, tmp_path: Path) -> None:
    """Its containers run on, which is told; and nothing of another store is touched."""
    store, gone = lamina_net, Lamina(tmp_path / "gone")
    publish = ("-p", f"127.0.0.1:{free_port()}:80")
    archive = tmp_path / "busybox.tar"
    store("save", "-o", str(archive), "busybox")
    gone("load", "-i", str(archive))
    store("run", "-d", "--name", "stays", *publish, "busybox", "sleep", "1000")
    gone("network", "create", "lan")
    for network in ("bridge", "lan"):
        gone("run", "-d", "--name", network, "--network", network, "busybox", "sleep", "1000")
    pid = gone("inspect", "-f", "{{.State.Pid}}", "bridge").stdout.strip()
    table = f"lamina-{token(gone.root)}"
    groups = json.loads(next(gone.root.glob("containers/*/record.json")).read_text())["groups"]
    shutil.rmtree(gone.root)

    done = store("system", "prune", "-f")
    assert f"containers of {gone.root} still run, and that store is gone" in done.stderr
    pids = re.findall(r"kill -9 ([\d ]+)", done.stderr)[0].split()
    assert pid in pids and len(pids) == 2
    assert len(bridges(gone.root)) == 2
    for each in pids:
        os.kill(int(each), signal.SIGKILL)
    left = bridges(gone.root)
    deadline = time.monotonic() + 10
    while used(left):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    done = store("network", "prune", "-f")
    assert set(done.stdout.split()) >= {table, *left}
    assert bridges(gone.root) == []
    assert store("network", "prune", "-f").stdout == ""
    for path in groups:  # too young for prune, which leaves those whose process may just begin
        os.utime(path, (0, 0)) if os.path.exists(path) else None
    store("container", "prune", "-f")
    assert not [path for path in groups if os.path.exists(path)]
    assert len(bridges(store.root)) == 1
    assert store("exec", "stays", "echo", "hello").stdout == "hello\n"


def bridges(root: Path) -> list[str]:
    with Netlink(ROUTE) as route:
        return [each.name for each in links(route) if each.alias.endswith(f" of {root}")]


def used(names: list[str]) -> bool:
    """Whether a container has a link in one of these bridges."""
    with Netlink(ROUTE) as route:
        found = links(route)
    indexes = {each.index for each in found if each.name in names}
    return any(each.master in indexes for each in found)


def test_a_killed_watcher_leaves_nothing_after_the_next_look(lamina_net: Lamina) -> None:
    lamina, port = lamina_net, free_port()
    lamina("run", "-d", "--name", "web", "-p", f"{port}:80", "busybox", "sh", "-c", SERVE)
    assert get(port, "::1") == "hello", "carried by the watcher"
    record = next((lamina.root / "containers").glob("*/record.json"))
    watcher = json.loads(record.read_bytes())["watcher"]
    subprocess.run(["kill", "-9", str(watcher)], check=True)
    deadline = time.monotonic() + 10
    while started(watcher):
        assert time.monotonic() < deadline  # a kill is under way when it returns
    lamina("network", "ls")
    assert list((lamina.root / "networks" / "members").iterdir()) == []
    lamina("start", "web")
    assert get(port) == "hello"


@pytest.mark.parametrize("program", ["pasta", "slirp4netns"])
def test_who_may_not_change_the_hosts_network_has_one_carried(
    root_only: None, tmp_path: Path, program: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: apt install passt slirp4netns")
    port = free_port()
    place = tmp_path / "place"
    place.mkdir()
    script = Path(__file__).with_name("carried.py")
    # Root of a user namespace, as an ordinary user's command is, and in the host's network.
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable]
    done = subprocess.run(
        [*command, str(script), str(place), program, str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["answer"] == "hello"
    assert said["left"] == []
    assert said["alive"] is False
    assert sorted(entry.name for entry in (place / "networks").iterdir()) == ["lock", "members"]
