"""What a container may use, from the command line to the kernel: limits, devices, pauses."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.linux.cgroup_group import Group, open_group
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import DirContainers
from tests.system.conftest import COMMAND, Lamina

MB = 1 << 20


@pytest.fixture
def box(busybox_store: Lamina) -> Iterator[Lamina]:
    """The command on a store with busybox; its containers are gone afterwards."""
    yield busybox_store
    names = busybox_store("ps", "-aq").stdout.split()
    groups = [open_group(record(busybox_store, name).groups) for name in names]
    if names:
        busybox_store("rm", "-f", *names)
    assert not [path for group in groups for path in group.paths if Path(path).exists()]


def record(lamina: Lamina, name: str) -> ContainerRecord:
    return DirContainers(lamina.root / "containers").find(name)


def group(lamina: Lamina, name: str) -> Group:
    found = open_group(record(lamina, name).groups)
    if not found.paths:
        pytest.skip("no control groups here")
    return found


def needs(found: Group, *files: str) -> None:
    if not any(Path(path, file).exists() for path in found.paths for file in files):
        pytest.skip(f"no {files[0]} here")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def detached(lamina: Lamina, script: str, *options: str, name: str = "box") -> Group:
    lamina("run", "-d", "--name", name, *options, "busybox", "sh", "-c", script)
    return group(lamina, name)


def test_memory_past_the_limit_kills_inside_only(box: Lamina) -> None:
    bystander = detached(box, "sleep 1000", name="bystander")
    needs(bystander, "memory.limit_in_bytes", "memory.max")
    done = box("run", "--name", "big", "-m", "16m", "busybox", "tail", "/dev/zero", check=False)
    assert done.returncode == 137
    assert record(box, "big").out_of_memory
    assert box("ps", "-q", "--filter", "name=bystander").stdout
    assert not record(box, "bystander").out_of_memory


def test_a_process_of_many_that_runs_out_of_memory(box: Lamina) -> None:
    """The container goes on, and yet it is known."""
    script = "tail /dev/zero; echo $? > /status; sleep 1000"
    found = detached(box, script, "-m", "16m", "--memory-swap", "16m")
    needs(found, "memory.limit_in_bytes", "memory.max")
    until(found.out_of_memory)
    box("stop", "-t", "0", "box")
    assert record(box, "box").out_of_memory


def test_a_fork_bomb_stops_at_the_limit(box: Lamina) -> None:
    bomb = "bomb() { bomb | bomb & }; bomb; sleep 1000"
    found = detached(box, bomb, "--pids-limit", "32")
    needs(found, "pids.max")
    until(lambda: found.usage().pids == 32 or "max 0" not in read(found, "pids.events"))
    assert found.usage().pids <= 32
    started = time.monotonic()
    box("rm", "-f", "box")
    assert time.monotonic() - started < 5
    assert found.processes() == []


def read(found: Group, file: str) -> str:
    """A file of the kernel's, wherever the group has it."""
    return next((p.read_text() for p in (Path(x, file) for x in found.paths) if p.exists()), "")


def test_a_quota_of_processors_is_in_force(box: Lamina) -> None:
    found = detached(box, "while :; do :; done", "--cpus", "0.2")
    needs(found, "cpu.cfs_quota_us", "cpu.max")
    before = found.usage()
    time.sleep(0.6)
    after = found.usage()
    assert after.throttled > before.throttled
    assert after.cpu - before.cpu < 0.4e9, "more than a fifth of a processor, with some grace"


def test_a_set_of_processors(box: Lamina) -> None:
    found = detached(box, "sleep 1000", "--cpuset-cpus", "0")
    needs(found, "cpuset.cpus")
    inside = box("run", "--rm", "--cpuset-cpus", "0", "busybox", "nproc").stdout
    assert inside == "1\n"
    refused = box("run", "--rm", "--cpuset-cpus", "4095", "busybox", "true", check=False)
    assert refused.returncode == 125
    assert "requested CPUs are not available: 4095" in refused.stderr


def test_disks(box: Lamina) -> None:
    found = detached(box, "sleep 1000", "--blkio-weight", "300")
    needs(found, "blkio.weight", "blkio.bfq.weight", "io.bfq.weight", "io.weight")
    weights = ("blkio.weight", "blkio.bfq.weight", "io.bfq.weight", "io.weight")
    assert any("300" in read(found, file) or "2930" in read(found, file) for file in weights)


def test_rates_of_a_disk(box: Lamina) -> None:
    disks = [f"/dev/{each.name}" for each in Path("/sys/block").iterdir()]
    disks = [path for path in disks if Path(path).is_block_device()]
    if not disks:
        pytest.skip("no disk")
    options = ("--device-write-bps", f"{disks[0]}:10mb", "--device-read-iops", f"{disks[0]}:50")
    found = detached(box, "sleep 1000", *options)
    needs(found, "blkio.throttle.write_bps_device", "io.max")
    rates = read(found, "blkio.throttle.write_bps_device") + read(found, "io.max")
    assert str(10 * MB) in rates
    box("rm", "-f", "box")
    missing = ("run", "--rm", "--device-read-bps", "/dev/none:1mb", "busybox", "true")
    refused = box(*missing, check=False)
    assert (refused.returncode, "no device /dev/none" in refused.stderr) == (125, True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("-m", "1m"), "minimum memory limit allowed is 6MB"),
        (("-m", "64m", "--memory-swap", "32m"), "memoryswap limit should be larger"),
        (("--cpus", "9999"), "range of CPUs is from 0.01 to"),
        (("--cpus", "lots"), "not a number of processors: 'lots'"),
        (("--ulimit", "nofile"), "not a resource limit"),
        (("--device-cgroup-rule", "c 1"), "not a rule for devices"),
        (("--device-read-bps", "sda:1"), "not a limit for a device"),
        (("--cgroup-parent", "a/../b"), "not a control group"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_made(
    box: Lamina, options: tuple[str, ...], problem: str
) -> None:
    done = box("run", *options, "busybox", "true", check=False)
    assert done.returncode == 125
    assert problem in done.stderr
    assert box("ps", "-aq").stdout == ""


def test_resource_limits(box: Lamina) -> None:
    done = box(
        "run", "--rm", "--ulimit", "nofile=100:200", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn"
    )
    assert done.stdout == "100\n200\n"


def test_seen_from_inside_the_group_is_the_top(box: Lamina) -> None:
    done = box("run", "--rm", "-m", "64m", "busybox", "cat", "/proc/self/cgroup")
    assert {line.rsplit(":", 1)[1] for line in done.stdout.splitlines()} == {"/"}


def test_under_another_group(box: Lamina) -> None:
    top = f"lamina-test-{os.getpid()}"
    found = detached(box, "sleep 1000", "--cgroup-parent", f"/{top}/below")
    assert all(f"/{top}/below/" in path for path in found.paths)
    box("rm", "-f", "box")
    assert not [path for path in found.paths if Path(path).parent.exists()]
    for path in found.paths:
        Path(path).parents[1].rmdir()


def test_a_device_may_be_opened_when_it_is_given(box: Lamina) -> None:
    fuse = Path("/dev/fuse")
    if not fuse.is_char_device():
        pytest.skip("no /dev/fuse")
    number = fuse.stat().st_rdev
    makes = f"mknod /tmp/node c {number >> 8} {number & 255} && : < /tmp/node"
    for options in ((), ("--cap-add", "SYS_ADMIN")):
        done = box("run", "--rm", *options, "busybox", "sh", "-c", makes, check=False)
        assert done.returncode != 0, "a node that the container made"
    done = box("run", "--rm", "--device", "/dev/fuse:/dev/f:r", "busybox", "sh", "-c", ": < /dev/f")
    assert done.returncode == 0


# pause, update, stats, top


def test_pause_stops_a_counter(box: Lamina) -> None:
    found = detached(box, "i=0; while :; do i=$((i+1)); echo $i; usleep 1000; done")
    needs(found, "freezer.state", "cgroup.freeze")

    def counted() -> str:
        return box("logs", "--tail", "1", "box").stdout

    def at_rest() -> bool:
        """Whether what it printed before has been written to the log."""
        last = counted()
        time.sleep(0.1)
        return counted() == last

    until(lambda: counted() != "")
    assert box("pause", "box").stdout == "box\n"
    before = found.usage().cpu
    until(at_rest)
    last = counted()
    time.sleep(0.1)
    assert found.usage().cpu == before
    assert counted() == last
    assert "(Paused)" in box("ps", "--filter", "name=box").stdout
    assert "is paused" in box("pause", "box", check=False).stderr
    assert box("unpause", "box").stdout == "box\n"
    until(lambda: found.usage().cpu > before)
    until(lambda: counted() != last)
    assert "is not paused" in box("unpause", "box", check=False).stderr


def test_what_is_paused_can_be_removed(box: Lamina) -> None:
    found = detached(box, "sleep 1000")
    box("pause", "box")
    assert found.frozen()
    box("rm", "-f", "box")
    assert found.processes() == []


def test_what_is_paused_can_be_killed(box: Lamina) -> None:
    found = detached(box, "sleep 1000")
    box("pause", "box")
    box("kill", "box")
    until(lambda: state(box) == "exited 137")
    assert found.processes() == []


def test_a_signal_that_a_paused_container_goes_on_for(box: Lamina) -> None:
    """As in Docker: any, unless the image or the user said which one ends it."""
    detached(box, "trap 'exit 3' HUP; echo ready; while :; do usleep 10000; done")
    until(lambda: box("logs", "box").stdout == "ready\n")
    box("pause", "box")
    box("kill", "-s", "HUP", "box")
    until(lambda: state(box) == "exited 3")


def test_a_signal_that_a_paused_container_keeps_for_later(box: Lamina) -> None:
    script = "trap 'exit 3' HUP; echo ready; while :; do usleep 10000; done"
    found = detached(box, script, "--stop-signal", "USR1")
    until(lambda: box("logs", "box").stdout == "ready\n")
    box("pause", "box")
    box("kill", "-s", "HUP", "box")
    assert found.frozen()
    assert state(box) == "paused 0"
    box("unpause", "box")
    until(lambda: state(box) == "exited 3")


@pytest.mark.parametrize("told", [True, False], ids=["paused", "held by who was killed since"])
def test_what_is_paused_can_be_stopped(box: Lamina, told: bool) -> None:
    """It gets its time to end by itself, as one that runs."""
    script = "trap 'exit 3' TERM; echo ready; while :; do usleep 10000; done"
    found = detached(box, script)
    until(lambda: box("logs", "box").stdout == "ready\n")
    if told:
        box("pause", "box")
    else:
        found.freeze()
    box("stop", "box")
    assert state(box) == "exited 3"
    now = f"{time.time():.6f}"
    actions = box(
        "events", "--since", "0", "--until", now, "--format", "{{.Action}}"
    ).stdout.split()
    assert actions[-3:] == ["unpause", "die", "stop"]


def state(lamina: Lamina) -> str:
    return lamina("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "box").stdout.strip()


def test_only_what_runs_can_be_paused(box: Lamina) -> None:
    box("create", "--name", "box", "busybox", "true")
    assert "container box is not running" in box("pause", "box", check=False).stderr


def test_update(box: Lamina) -> None:
    found = detached(box, "sleep 1000", "-m", "32m")
    needs(found, "memory.limit_in_bytes", "memory.max")
    assert (
        box("update", "-m", "512m", "--cpus", "1.5", "--pids-limit", "9", "box").stdout == "box\n"
    )
    found = group(box, "box")
    assert (found.usage().memory_limit, found.usage().pids_limit) == (512 * MB, 9)
    assert "150000" in read(found, "cpu.cfs_quota_us") + read(found, "cpu.max")
    refused = box("update", "-m", "1m", "box", check=False)
    assert refused.returncode == 1
    assert "minimum memory limit" in refused.stderr
    assert found.usage().memory_limit == 512 * MB
    box("stop", "-t", "0", "box")
    box("update", "--cpuset-cpus", "0", "--restart", "on-failure:3", "box")
    box("start", "box")
    usage = group(box, "box").usage()
    assert (usage.memory_limit, usage.pids_limit) == (512 * MB, 9)
    settings = record(box, "box").settings
    assert settings["restart"] == {"policy": "on-failure", "retries": 3}


def test_a_policy_that_changes_while_it_runs(box: Lamina) -> None:
    detached(box, "sleep 0.7; exit 3")
    box("update", "--restart", "on-failure:1", "box")
    until(lambda: record(box, "box").restarts == 1)
    until(lambda: record(box, "box").status == "exited")
    assert (record(box, "box").restarts, record(box, "box").exit_status) == (1, 3)


def test_no_policy_for_what_is_removed_at_its_end(box: Lamina) -> None:
    detached(box, "sleep 1000", "--rm")
    done = box("update", "--restart", "always", "box", check=False)
    assert (done.returncode, "is removed when it ends" in done.stderr) == (1, True)


def test_stats_agree_with_the_kernel(box: Lamina) -> None:
    script = "while :; do :; done & sleep 1000 & dd if=/dev/zero of=/f bs=1M count=4; wait"
    found = detached(box, script, "-m", "64m")
    until(lambda: found.usage().pids == 3)
    time.sleep(0.1)
    lines = box("stats", "--no-stream", "--format", "json").stdout.splitlines()
    usage = found.usage()
    [row] = [json.loads(line) for line in lines]
    assert (row["Name"], row["ID"], row["PIDs"]) == ("box", record(box, "box").id[:12], "3")
    used, limit = row["MemUsage"].split(" / ")
    assert limit == "64MiB"
    assert abs(_bytes(used) - usage.memory) < 4 * MB
    assert 20 < float(row["CPUPerc"].rstrip("%")) <= 110


def _bytes(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(\w+)", text)
    assert found
    number, unit = found.groups()
    return float(number) * 1024.0 ** ("B", "KiB", "MiB", "GiB").index(unit)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
def test_stats_leave_the_terminal_as_it_was(box: Lamina, number: int) -> None:
    detached(box, "sleep 1000", name="box-with-a-name-that-is-too-long-for-the-terminal")
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, (24, 80))  # before it looks
        os.execv(str(COMMAND), [str(COMMAND), "--root", str(box.root), "stats"])
    seen = b""
    while b"PIDS" not in seen:
        seen += os.read(terminal, 65536)
    os.kill(pid, number)
    try:
        while data := os.read(terminal, 65536):
            seen += data
    except OSError:
        pass  # that is the end of a terminal
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    screen, _, left = seen.partition(b"\x1b[?1049l")
    assert b"\x1b[?1049h" in screen and b"\x1b[?25l" in screen
    assert b"\x1b[?25h" in seen, "the cursor is seen again"
    heading, line = re.sub(r"\x1b\[[?\d;]*\w", "", left.decode()).split("\r\n")[:2]
    assert heading.split()[0] == "NAME" and line.startswith("box-with-a-name")
    assert len(line) <= 80 and "…" in line


def test_the_table_of_stats(box: Lamina) -> None:
    box("create", "--name", "rests", "busybox", "true")
    detached(box, "sleep 1000")
    heading, line = box("stats", "--no-stream").stdout.splitlines()
    assert re.split(r" {2,}", heading) == [
        *("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O"),
        *("BLOCK I/O", "PIDS"),
    ]
    assert line.split()[1] == "box"
    lines = box("stats", "--no-stream", "-a", "--format", "{{.Name}} {{.MemUsage}}").stdout
    assert "rests 0B / 0B\n" in lines
    assert box("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "box").stdout == (
        record(box, "box").id + "\n"
    )


def test_traffic_is_the_containers_own(box: Lamina) -> None:
    """Without a network there is none; with the host's it is not the container's."""
    detached(box, "sleep 1000", "--network", "none", name="alone")
    detached(box, "sleep 1000", "--network", "host", name="shared")
    lines = box("stats", "--no-stream", "--format", "{{.NetIO}}").stdout.splitlines()
    assert lines == ["0B / 0B"] * 2


def test_top(box: Lamina) -> None:
    found = detached(box, "sleep 1000 & sleep 1001; :")
    until(lambda: len(found.processes()) == 3)
    heading, *lines = box("top", "box").stdout.splitlines()
    assert heading.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    pids = [int(line.split()[1]) for line in lines]
    assert sorted(pids) == sorted(found.processes())
    assert {"sleep 1000", "sleep 1001"} <= {" ".join(line.split()[7:]) for line in lines}
    assert lines[0].split()[0] == "root"
    heading, *lines = box("top", "box", "-o", "pid,args").stdout.splitlines()
    assert heading.split() == ["PID", "COMMAND"]
    assert sorted(int(line.split()[0]) for line in lines) == sorted(found.processes())
    assert "no PID column" in box("top", "box", "-o", "args", check=False).stderr
    assert box("top", "box", "--no-such-option", check=False).returncode == 1
