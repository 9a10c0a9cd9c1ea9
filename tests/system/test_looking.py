"""What shows containers, in every state: ps, inspect, logs, events, port, cp, commit, prune."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rights import OF_THE_HOST
from tests.system.conftest import COMMAND, Lamina, Tool, free_port, need_containers, unmounted

pytestmark = pytest.mark.system
ALONE = ("--network", "none")
SLEEP = ("busybox", "sleep", "1000")


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Lamina]:
    """The command on a store that holds busybox; its containers go at the end."""
    need_containers()
    lamina = Lamina(tmp_path_factory.mktemp("looking") / "root")
    lamina("import", "--change", "EXPOSE 80", str(busybox_tar), "busybox:latest")
    yield lamina
    if ids := lamina("ps", "-aq").stdout.split():
        lamina("rm", "-f", *ids)
    unmounted(lamina.root)


def column(store: Lamina, field: str, *args: str) -> list[str]:
    return store("ps", "--format", f"{{{{.{field}}}}}", *args).stdout.splitlines()


def inspected(store: Lamina, name: str, *args: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(store("inspect", *args, name).stdout)
    return found[0]


# ps


@pytest.fixture(scope="module")
def states(store: Lamina) -> Lamina:
    """A container in each state, each with `in=states` for a label."""
    label = ("--label", "in=states")
    store("create", *label, *ALONE, "--name", "made", *SLEEP)
    store("run", "-d", *label, *ALONE, "--name", "runs", "-v", "vol:/data", *SLEEP)
    store("run", "-d", *label, *ALONE, "--name", "held", *SLEEP)
    store("pause", "held")
    store("run", *label, *ALONE, "--name", "done", "busybox", "sh", "-c", "exit 3", check=False)
    store(
        "run", "-d", *label, *ALONE, "--name", "again", "--restart", "always", "busybox", "false"
    )  # fmt: skip
    check = ("--health-cmd", "true", "--health-interval", "1s")
    store("run", "-d", *label, *ALONE, "--name", "well", *check, *SLEEP)
    return store


def test_status_of_each_state(states: Lamina) -> None:
    def found() -> dict[str, str]:
        lines = states(
            "ps", "-a", "--filter", "label=in=states", "--format", "{{.Names}} {{.Status}}"
        )
        return dict(line.split(" ", 1) for line in lines.stdout.splitlines())

    ago = r"(Less than a second|1 second|\d+ seconds|About a minute|\d+ minutes)"
    texts = found()
    assert texts["made"] == "Created"
    assert re.fullmatch(f"Up {ago}", texts["runs"])
    assert re.fullmatch(rf"Up {ago} \(Paused\)", texts["held"])
    assert re.fullmatch(rf"Exited \(3\) {ago} ago", texts["done"])
    until(lambda: re.fullmatch(rf"Restarting \(1\) {ago} ago", found()["again"]) is not None)
    until(lambda: re.fullmatch(rf"Up {ago} \(healthy\)", found()["well"]) is not None)


def test_which_containers_are_shown(states: Lamina) -> None:
    def names(*args: str) -> set[str]:
        filters = (word for each in ("label=in=states", *args) for word in ("--filter", each))
        return set(column(states, "Names", *filters))

    assert names() >= {"runs", "held", "well"}
    assert not names() & {"made", "done"}
    assert names("status=exited") - {"again"} == {"done"}
    assert names("status=created", "status=paused") == {"made", "held"}
    assert names("status=dead") == names("is-task=true") == set()
    assert names("exited=3") == {"done"}
    assert names("health=healthy") == {"well"}
    assert names("volume=vol") == names("volume=/data") == {"runs"}
    assert names("name=^ru") == names("name=^/runs$") == {"runs"}
    assert names("since=held") & {"runs", "well"} == {"well"}
    assert names("before=held") & {"runs", "well"} == {"runs"}
    assert names("ancestor=busybox") == names("network=none") == names("expose=80")
    assert names("ancestor=busybox") >= {"runs", "held", "well"}
    assert column(states, "Names", "-l") == column(states, "Names", "-n", "1") == ["well"]
    for wrong in ("status=flying", "exited=x", "health=ill", "publish=x", "nonsense=1"):
        assert states("ps", "--filter", wrong, check=False).returncode == 1


def test_columns_of_ps(states: Lamina) -> None:
    (row,) = [
        json.loads(line)
        for line in states("ps", "--filter", "name=runs", "--format", "json").stdout.splitlines()
    ]
    assert (row["Image"], row["State"], row["Networks"]) == ("busybox", "running", "none")
    assert (row["Mounts"], row["LocalVolumes"], row["Command"]) == ("vol", "1", '"sleep 1000"')
    assert re.fullmatch(r"\S+ \(virtual \S+B\)", column(states, "Size", "--filter", "name=runs")[0])
    states("tag", "busybox", "other")
    done = states("ps", "-a", "-s", "--no-trunc").stdout.splitlines()
    assert done[0].split() == [
        *("CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES", "SIZE")
    ]


# inspect


def keys(value: object, place: str = "") -> set[str]:
    """Every path of an object's fields; what is named by the user is left out."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, each in value.items():
            found.add(f"{place}.{key}")
            if key not in {"Labels", "Tmpfs", "Networks", "Ports", "Data", "Volumes"}:
                found |= keys(each, f"{place}.{key}")
    return found


def test_inspect_has_all_that_docker_has(
    store: Lamina, docker: Tool, busybox_tar: Path, tmp_path: Path
) -> None:
    docker("import", str(busybox_tar), "busybox:latest")
    options = (
        *("-d", "--network", "host", "--name", "same", "-e", "A=1", "-v", "data:/data"),
        *("-v", f"{tmp_path}:/host:ro", "--tmpfs", "/t:size=1m", "--label", "x=y"),
        *("--cap-add", "NET_ADMIN", "--ulimit", "nofile=1024:2048", "--stop-signal", "INT"),
        *("--stop-timeout", "3", "--init", "--restart", "on-failure:2", "--sysctl"),
        *("kernel.msgmax=9000", "--health-cmd", "true", "--security-opt", "no-new-privileges"),
        *("--add-host", "a:1.2.3.4", "--log-opt", "max-size=1m", "-u", "1:2", "--group-add", "7"),
    )
    docker("run", *options, *SLEEP)
    try:
        theirs = json.loads(docker("inspect", "same"))[0]
    finally:
        docker("rm", "-f", "same")
    store("run", *options, *SLEEP)
    ours = inspected(store, "same")
    store("rm", "-f", "same")
    assert keys(theirs) - keys(ours) == set()
    assert keys(ours["HostConfig"]) == keys(theirs["HostConfig"])
    assert keys(ours["State"]) == keys(theirs["State"])
    for name in (
        *("Binds", "CapAdd", "ExtraHosts", "GroupAdd", "Init", "RestartPolicy", "SecurityOpt"),
        *("ShmSize", "Sysctls", "Tmpfs", "Ulimits", "NetworkMode", "Privileged", "AutoRemove"),
    ):
        mine, other = ours["HostConfig"][name], theirs["HostConfig"][name]
        assert mine == other, name
    for name in ("Cmd", "Image", "Labels", "StopSignal", "StopTimeout", "User", "Healthcheck"):
        assert ours["Config"][name] == theirs["Config"][name], name


def test_inspect_tells_the_state_as_it_is(states: Lamina) -> None:
    held = inspected(states, "held")["State"]
    assert (held["Status"], held["Running"], held["Paused"]) == ("paused", True, True)
    done = inspected(states, "done")["State"]
    assert (done["Status"], done["ExitCode"], done["Pid"]) == ("exited", 3, 0)
    until(lambda: inspected(states, "again")["RestartCount"] > 0)
    until(lambda: inspected(states, "well")["State"]["Health"]["Status"] == "healthy")
    assert inspected(states, "well")["State"]["Health"]["Log"][-1]["ExitCode"] == 0
    assert "SizeRw" in inspected(states, "runs", "-s")
    form = ("inspect", "-f", '{{.State.Status}} {{index .Config.Labels "in"}}', "runs")
    assert states(*form).stdout == "running states\n"
    assert states("inspect", "--type", "image", "runs", check=False).returncode == 1


# logs


def test_logs_through_rotation_and_to_the_end(store: Lamina) -> None:
    script = "for i in $(seq 2000); do echo line $i; done; sleep 0.5; echo last; echo err >&2"
    store(
        "run", "-d", *ALONE, "--name", "talks", "--log-opt", "max-size=20k", "--log-opt",
        "max-file=50", "busybox", "sh", "-c", script,
    )  # fmt: skip
    done = store("logs", "-f", "talks")
    assert done.stdout == "".join(f"line {i + 1}\n" for i in range(2000)) + "last\n"
    assert done.stderr == "err\n"
    directory = next((store.root / "containers").glob("*/log.json.1")).parent
    assert len(list(directory.glob("log.json*"))) > 5
    assert store("logs", "-n", "3", "talks").stdout.splitlines()[:1] == ["line 2000"]
    stamped = store("logs", "-t", "--tail", "2", "talks").stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z last\n", stamped)
    moment = stamped.split()[0]
    assert store("logs", "--since", moment, "talks").stdout.endswith("last\n")
    assert "last" not in store("logs", "--until", "10m", "talks").stdout
    store("rm", "talks")


def test_logs_that_are_not_kept(store: Lamina) -> None:
    store("run", *ALONE, "--name", "silent", "--log-driver", "none", "busybox", "echo", "x")
    done = store("logs", "silent", check=False)
    assert done.returncode == 1
    assert "configured logging driver does not support reading" in done.stderr
    store("rm", "silent")


def test_logs_follow_a_container_that_is_started_again(store: Lamina) -> None:
    store(
        "run", "-d", *ALONE, "--name", "tries", "--restart", "on-failure:2", "busybox",
        "sh", "-c", "echo try; sleep 0.2; exit 1",
    )  # fmt: skip
    assert store("logs", "-f", "tries").stdout == "try\n" * 3
    store("rm", "-f", "tries")


# events


def test_events_as_they_happen(store: Lamina) -> None:
    command = [str(COMMAND), "--root", str(store.root), "events", "--filter", "container=told"]
    form = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}"
    with subprocess.Popen([*command, "--format", form], stdout=subprocess.PIPE, text=True) as seen:
        assert seen.stdout is not None
        time.sleep(1)  # it tells of what comes after it was begun
        store("run", *ALONE, "--name", "told", "busybox", "true")
        store("rm", "told")
        lines = [seen.stdout.readline().strip() for _ in range(4)]
        seen.terminate()
    assert lines == [f"container {action} told" for action in ("create", "start", "die", "destroy")]


def test_events_of_before(store: Lamina) -> None:
    begun = str(time.time())
    store("tag", "busybox", "told:1")
    store("rmi", "told:1")
    store("run", "-d", *ALONE, "--name", "old", "-l", "a=b", *SLEEP)
    store("pause", "old")
    store("unpause", "old")
    store("rename", "old", "new")
    store("kill", "new")
    store("wait", "new")
    store("rm", "new")

    def actions(*filters: str) -> list[str]:
        words = [word for each in filters for word in ("--filter", each)]
        form = ("--since", begun, "--until", "0s", "--format", "{{.Action}}")
        return store("events", *form, *words).stdout.splitlines()

    assert actions("type=image") == ["tag", "untag"]
    whole = ["create", "start", "pause", "unpause", "rename", "kill", "die", "destroy"]
    assert actions("label=a=b", "type=container") == whole
    assert actions("event=die", "image=busybox", "label=a=b") == ["die"]
    die = ("--filter", "event=die", "--filter", "label=a=b")
    json_lines = store("events", "--since", begun, "--until", "0s", *die, "--format", "json")
    (line,) = json_lines.stdout.splitlines()
    event = json.loads(line)
    assert (event["status"], event["from"], event["scope"]) == ("die", "busybox", "local")
    assert event["Actor"]["Attributes"]["exitCode"] == "137"
    (plain,) = store(
        "events", "--since", begun, "--until", "0s", "-f", "event=tag"
    ).stdout.splitlines()
    assert re.fullmatch(r"\S+Z image tag sha256:\w{64} \(name=told:1\)", plain)


# ports, names


def test_ports(store: Lamina) -> None:
    port = free_port()
    store("run", "-d", "--name", "served", "-p", f"127.0.0.1:{port}:80", "-p", "53/udp", *SLEEP)
    try:
        lines = store("port", "served").stdout.splitlines()
        assert f"80/tcp -> 127.0.0.1:{port}" in lines
        assert store("port", "served", "80").stdout == f"127.0.0.1:{port}\n"
        assert [line for line in lines if line.startswith("53/udp -> 0.0.0.0:")]
        done = store("port", "served", "81/tcp", check=False)
        assert (done.returncode, "no public port '81/tcp' published" in done.stderr) == (1, True)
        (shown,) = column(store, "Ports", "--filter", "name=served")
        assert f"127.0.0.1:{port}->80/tcp" in shown
        assert column(store, "Names", "--filter", "publish=80") == ["served"]
        network = inspected(store, "served")["NetworkSettings"]
        assert network["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
        if OF_THE_HOST:  # others have no bridge
            assert network["IPAddress"] == network["Networks"]["bridge"]["IPAddress"] != ""
    finally:
        store("rm", "-f", "served")


# files


@pytest.mark.parametrize("state", ["created", "running", "paused", "exited"])
def test_cp_reaches_volumes_in_every_state(store: Lamina, tmp_path: Path, state: str) -> None:
    bind = tmp_path / "bind"
    bind.mkdir()
    make = (
        "create",
        *ALONE,
        "--name",
        "files",
        "-v",
        f"{state}:/vol",
        "-v",
        f"{bind}:/a/b",
        *SLEEP,
    )
    store(*make)
    try:
        if state != "created":
            store("start", "files")
        if state == "paused":
            store("pause", "files")
        if state == "exited":
            store("kill", "files")
            store("wait", "files")
        (tmp_path / "new").write_text(state)
        for place in ("/vol", "/a/b", "/tmp"):
            store("cp", str(tmp_path / "new"), f"files:{place}")
            got = subprocess.run(
                [str(COMMAND), "--root", str(store.root), "cp", f"files:{place}/new", "-"],
                capture_output=True,
                check=True,
            ).stdout
            with tarfile.open(fileobj=io.BytesIO(got)) as tar:
                member = tar.extractfile("new")
                assert member is not None and member.read() == state.encode()
        assert (bind / "new").read_text() == state
        changed = store("diff", "files").stdout.splitlines()
        assert "A /tmp/new" in changed
        assert not [line for line in changed if "/vol" in line or "/a" in line.split()[1][:2]]
    finally:
        store("rm", "-f", "files")
    assert str(store.root / "containers") not in Path("/proc/self/mountinfo").read_text()


def test_commit_holds_the_container_meanwhile(store: Lamina) -> None:
    # Appended: a file that is emptied each time is found empty, where the disk is slow.
    script = "while :; do echo $((i=i+1)) >> /tmp/n; sleep 0.01; done"
    store("run", "-d", *ALONE, "--name", "busy", "busybox", "sh", "-c", script)
    try:
        until(lambda: "/tmp/n" in store("diff", "busy").stdout)
        store("commit", "-c", "CMD cat /tmp/n", "busy", "made:1")
        assert column(store, "State", "--filter", "name=busy") == ["running"]
        before = store("exec", "busy", "cat", "/tmp/n").stdout
        until(lambda: store("exec", "busy", "cat", "/tmp/n").stdout != before)
        store("pause", "busy")
        store("commit", "busy", "made:2")
        assert column(store, "State", "--filter", "name=busy") == ["paused"]
    finally:
        store("rm", "-f", "busy")
        store("rmi", "-f", "made:1", "made:2")


# what is removed


def test_container_prune_asks_and_takes_what_does_not_run(store: Lamina) -> None:
    label = ("-l", "of=prune")
    store("run", *ALONE, *label, "--name", "gone1", "busybox", "true")
    store("create", *ALONE, *label, "--name", "gone2", *SLEEP)
    store("run", "-d", *ALONE, *label, "--name", "stays", *SLEEP)
    store("pause", "stays")
    prune = ("container", "prune", "--filter", "label=of=prune")

    def names() -> list[str]:
        return sorted(column(store, "Names", "-a", "--filter", "label=of=prune"))

    done = store(*prune, stdin="n\n")
    assert "WARNING! This will remove all stopped containers." in done.stdout
    assert names() == ["gone1", "gone2", "stays"]
    assert "reclaimed space: 0B" in store(*prune, "-f", "--filter", "until=1h").stdout
    assert "reclaimed space: 0B" in store(*prune, "-f", "--filter", "label!=of").stdout
    done = store(*prune, "-f")
    assert len(done.stdout.splitlines()[1:3]) == 2 and "Deleted Containers:" in done.stdout
    assert names() == ["stays"]
    store("prune", "--containers", "-f")
    assert names() == ["stays"], "a paused container is no stopped one"
    store("rm", "-f", "stays")


def test_dockers_longer_names(store: Lamina) -> None:
    store("container", "create", *ALONE, "--name", "long", *SLEEP)
    listed = store("container", "ls", "-a", "--format", "{{.Names}}").stdout.splitlines()
    assert "long" in listed
    assert inspected(store, "long")["Name"] == "/long"
    store("container", "rename", "long", "longer")
    store("container", "rm", "longer")
    assert store("container", "nonsense", check=False).returncode == 2
