"""Containers that runc makes: inside they are what our own runtime makes of them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lamina.engine import open_engine
from tests.rights import AS_USER, needs_rights
from tests.system.commandlines import PROBE
from tests.system.conftest import COMMAND, Lamina, need_tool
from tests.system.containers import needs_busybox
from tests.system.seen_inside import differences, facts

pytestmark = [needs_busybox, pytest.mark.usefixtures("root_only")]

OPTIONS = {
    "plain": "--network none",
    "process": "--network host -u 7:8 --group-add 55 -w /made/here -e A=b --hostname box",
    "closed": "--network none --read-only --tmpfs /tmp:size=1m --shm-size 1m --cap-drop all"
    " --cap-add chown --security-opt no-new-privileges --ulimit nofile=100:200",
    "open": "--network none --device /dev/fuse:/dev/other:r --ipc host --uts host"
    " --oom-score-adj 500 --security-opt seccomp=unconfined",
    "shared": "--network none -v /data --memory 64m --pids-limit 50 --pid host",
}
MEANT = ("node /dev/", "flags /dev", "dev core", "peers /data", "dev mqueue" if AS_USER else "-")
"""runc makes the device nodes that we bind, in a /dev that is for nodes; leaves out a link to
a kcore that is not there; and lets volumes follow what is mounted in them.  An ordinary user
may not mount the host's message queues: ours leaves an empty directory of it."""
HIDDEN = tuple(
    f"{kind} {place}" for kind in ("mount", "flags", "peers") for place in ("/proc/", "/sys/")
)
"""Paths are hidden by other mounts; that they are is in `hidden` and `closed`."""


REMOUNTED = ("flags /", "nodev", "")
"""runc forgets it when it makes the root read-only; the group's rules for devices hold."""


@pytest.fixture
def runc(busybox_store: Lamina) -> tuple[str, ...]:
    """The words that have runc make a container."""
    return "run", "--runtime", need_tool("runc", "runc")


def seen(lamina: Lamina, *words: str) -> dict[str, str]:
    done = lamina(*words, "busybox", "sh", "-c", PROBE)
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    return facts(done.stdout, {k: os.readlink(f"/proc/self/ns/{k}") for k in kinds}, "{host}")


@pytest.mark.parametrize("name", OPTIONS)
def test_inside_it_is_the_same(busybox_store: Lamina, runc: tuple[str, ...], name: str) -> None:
    options = ("--rm", *OPTIONS[name].split())
    ours = seen(busybox_store, "run", *options)
    theirs = seen(busybox_store, *runc, *options)
    found = [each for each in differences(ours, theirs) if each != REMOUNTED]
    assert [each for each in found if not each[0].startswith(MEANT + HIDDEN)] == []


def test_its_end_is_told(busybox_store: Lamina, runc: tuple[str, ...]) -> None:
    def end(*args: str) -> tuple[int, str]:
        done = busybox_store(*runc, "--rm", "busybox", *args, check=False)
        return done.returncode, done.stderr.partition("\n")[0]

    assert end("sh", "-c", "exit 7") == (7, "")
    assert end("nosuch") == (127, "lamina: exec: nosuch: not found in $PATH")
    assert end("/no/such") == (127, "lamina: exec: /no/such: No such file or directory")
    assert end("/etc") == (126, "lamina: exec: /etc: Permission denied")
    assert busybox_store("ps", "-aq").stdout == ""


def test_it_leaves_nothing_but_what_it_wrote(busybox_store: Lamina, runc: tuple[str, ...]) -> None:
    busybox_store(*runc, "--name", "box", "-w", "/made", "busybox", "touch", "/new")
    assert busybox_store("diff", "box").stdout == "A /made\nA /new\n"
    place = open_engine(busybox_store.root).store.containers.directory(
        open_engine(busybox_store.root).store.containers.find("box").id
    )
    assert not (place / "bundle").exists()
    assert not (place / "runtime").exists()
    assert str(busybox_store.root / "containers") not in Path("/proc/self/mountinfo").read_text()


def test_a_container_of_runc_is_looked_after_as_others_are(
    busybox_store: Lamina, runc: tuple[str, ...]
) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo hi; while :; do sleep 0.05; done"
    busybox_store(*runc, "-d", "--name", "box", "--memory", "64m", "busybox", "sh", "-c", script)
    assert busybox_store("exec", "-u", "7", "box", "id", "-u").stdout == "7\n"
    busybox_store("pause", "box")
    assert "(Paused)" in busybox_store("ps").stdout
    busybox_store("unpause", "box")
    assert "sh -c trap" in busybox_store("top", "box").stdout
    assert "64MiB" in busybox_store("stats", "--no-stream", "box").stdout
    busybox_store("stop", "box")
    assert busybox_store("logs", "box").stdout == "hi\nbye\n"
    assert "Exited (3)" in busybox_store("ps", "-a").stdout
    busybox_store("start", "box")
    busybox_store("rm", "-f", "box")


@pytest.mark.parametrize("name", ["runc", "crun"])
def test_init_is_the_first_process(busybox_store: Lamina, name: str) -> None:
    """As of the embedded runtime: it hands on signals, reaps, and leaves nothing behind."""
    run = ("run", "--runtime", need_tool(name, name), "--init", "--network", "none")
    script = (
        "trap 'echo got it; exit 9' TERM; (sh -c 'sleep 0.1 &') ; sleep 0.4;"
        " grep -l 'State:.Z' /proc/[0-9]*/status; ls /proc/self/fd; cat /proc/1/comm;"
        " while :; do sleep 0.05; done"
    )
    begun = busybox_store(
        *(*run, "-d", "--name", "box", "-u", "7", "--read-only", "busybox", "sh", "-c", script),
        check=False,
    )
    if "hybrid mode not supported" in begun.stderr:
        pytest.skip(begun.stderr)
    deadline = time.monotonic() + 10
    while "lamina-init" not in busybox_store("logs", "box").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    busybox_store("stop", "box")
    assert busybox_store("logs", "box").stdout.split() == [*"0123", "lamina-init", "got", "it"]
    assert "Exited (9)" in busybox_store("ps", "-a").stdout
    assert busybox_store("diff", "box").stdout == ""
    assert busybox_store(*run, "--rm", "busybox", "nosuch", check=False).returncode == 127
    assert busybox_store(*run, "--rm", "busybox", "sh", "-c", "exit 7", check=False).returncode == 7


def test_a_bundle_has_no_init(busybox_store: Lamina) -> None:
    done = busybox_store("spec", "--init", "busybox", check=False)
    assert done.returncode == 1
    assert "--init cannot be said in a runtime bundle" in done.stderr


def test_it_ends_when_its_watcher_is_killed(busybox_store: Lamina, runc: tuple[str, ...]) -> None:
    busybox_store(*runc, "-d", "--name", "box", "busybox", "sleep", "600")
    record = open_engine(busybox_store.root).store.containers.find("box")
    os.kill(record.watcher, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while "Exited" not in busybox_store("ps", "-a").stdout:
        assert time.monotonic() < deadline  # a kill is under way when it returns
    while Path(f"/proc/{record.pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # a process that is nobody's child here
    busybox_store("rm", "box")


def test_it_has_a_terminal(busybox_store: Lamina, runc: tuple[str, ...]) -> None:
    ours, theirs = pty.openpty()
    command = [str(COMMAND), "--root", str(busybox_store.root), *runc, "--rm", "-it", "busybox"]
    process = subprocess.Popen(
        [*command, "sh", "-c", "tty; test -c /dev/console && read line && echo got $line"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, b"words\n")
    printed = b""
    while True:
        try:
            printed += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert process.wait(30) == 0
    assert b"/dev/pts/0" in printed
    assert b"got words" in printed


def test_a_runtime_that_refuses_is_quoted_in_one_sentence(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    refusing = tmp_path / "refusing"
    message = '{"level":"error","msg":"cgroups in hybrid mode not supported"}'
    # Runtimes take --log before the verb: `--root DIR --log FILE …`.
    refusing.write_text(f"#!/bin/sh\ncase $* in *create*) echo '{message}' > $4; exit 1; esac\n")
    refusing.chmod(0o755)
    done = busybox_store("run", "--rm", "--runtime", str(refusing), "busybox", "true", check=False)
    assert done.returncode == 125
    assert done.stderr == (
        "lamina: refusing did not start the container: cgroups in hybrid mode not supported\n"
    )
    assert busybox_store("ps", "-aq").stdout == ""


def test_a_runtime_that_is_not_there_is_named(busybox_store: Lamina) -> None:
    done = busybox_store("run", "--runtime", "nosuch", "busybox", "true", check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        125,
        "lamina: unknown or invalid runtime name: nosuch",
    )


@needs_rights
def test_spec_writes_a_bundle_that_runc_runs(
    busybox_store: Lamina, runc: tuple[str, ...], tmp_path: Path
) -> None:
    place = tmp_path / "bundle"
    busybox_store("spec", "-b", str(place), "-e", "A=b c", "busybox", "sh", "-c", "echo $A; exit 4")
    run = [runc[2], "--root", str(tmp_path / "state"), "run", "-b", str(place), "lamina-test"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "b c\n")
    again = busybox_store("spec", "-b", str(place), "busybox", check=False)
    assert (again.returncode, again.stderr.splitlines()[0]) == (1, f"lamina: {place} is not empty")


def test_spec_prints_the_same_every_time(busybox_store: Lamina) -> None:
    printed = busybox_store("spec", "-v", "/data", "busybox", "id").stdout
    assert printed == busybox_store("spec", "-v", "/data", "busybox", "id").stdout
    assert json.loads(printed)["process"]["args"] == ["id"]
    assert busybox_store("volume", "ls", "-q").stdout == ""


def test_a_dry_run_tells_and_makes_nothing(busybox_store: Lamina, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    options = ("--dry-run", "-v", "kept:/kept", "-v", f"{missing}:/here:ro", "-e", "TOKEN=hunter2")
    done = busybox_store("run", *options, "busybox", "echo", "two words")
    assert f"{missing} → /here  nodev,ro\n" in done.stdout
    assert "command      echo 'two words'\n" in done.stdout
    assert "TOKEN" in done.stdout
    steps = json.loads(busybox_store("run", *options, "--format", "json", "busybox", "id").stdout)
    assert {"do": "Mask", "path": "/proc/kcore"} in steps["steps"]
    assert "hunter2" not in done.stdout + json.dumps(steps)
    assert not missing.exists()
    assert busybox_store("volume", "ls", "-q").stdout == busybox_store("ps", "-aq").stdout == ""
