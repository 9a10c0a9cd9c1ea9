"""Containers from their creation to their removal, with whatever may be killed on the way."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import COMMAND, Lamina
from tests.system.leftovers import processes

PATIENCE = 20


def until(what: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def record(lamina: Lamina, name: str) -> dict[str, object]:
    """The record of a container as it lies on disk."""
    for path in (lamina.root / "containers").glob("*/record.json"):
        found: dict[str, object] = json.loads(path.read_text())
        if found["name"] == name:
            return found
    raise AssertionError(f"no container {name}")


def number(lamina: Lamina, name: str, key: str) -> int:
    found = record(lamina, name)[key]
    assert isinstance(found, int)
    return found


def state(lamina: Lamina, name: str) -> str:
    return lamina("ps", "-a", "--filter", f"name={name}", "--format", "{{.State}}").stdout.strip()


def status(lamina: Lamina, name: str) -> str:
    return lamina("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}").stdout.strip()


def alone(lamina: Lamina) -> list[str]:
    """What a container needs to be cheap here: no network of its own."""
    return ["--network", "none"]


def test_created_started_waited_for_and_removed(busybox_store: Lamina) -> None:
    lamina = busybox_store
    made = lamina(
        "create", "--name", "job", *alone(lamina), "busybox", "sh", "-c", "echo hi; exit 3"
    )
    assert re.fullmatch(r"[0-9a-f]{64}\n", made.stdout)
    assert state(lamina, "job") == "created"
    assert lamina("start", "job").stdout == "job\n"
    assert lamina("wait", "job").stdout == "3\n"
    assert status(lamina, "job").startswith("Exited (3)")
    assert lamina("logs", "job").stdout == "hi\n"
    assert lamina("rm", "job").stdout == "job\n"
    assert lamina("ps", "-aq").stdout == ""


def test_a_start_again_keeps_what_was_written(busybox_store: Lamina) -> None:
    lamina = busybox_store
    line = "cat /file 2>/dev/null; echo once more >> /file"
    lamina("run", "--name", "again", *alone(lamina), "busybox", "sh", "-c", line)
    assert lamina("start", "-a", "again").stdout == "once more\n"
    assert lamina("start", "-a", "again").stdout == "once more\nonce more\n"


def test_detached_prints_its_id_and_goes_on(busybox_store: Lamina) -> None:
    lamina = busybox_store
    printed = lamina(
        "run", "-d", "--name", "web", *alone(lamina), "busybox", "sleep", "1000"
    ).stdout
    assert printed.strip() == record(lamina, "web")["id"]
    assert state(lamina, "web") == "running"
    watcher = number(lamina, "web", "watcher")
    until(lambda: b"supervise" in Path(f"/proc/{watcher}/cmdline").read_bytes())
    resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{watcher}/status").read_text())
    assert resident and int(resident[1]) < 12 << 10
    # Nothing of the command line that started it is held: streams, directory, session.
    assert os.readlink(f"/proc/{watcher}/cwd") == "/"
    assert {os.readlink(f"/proc/{watcher}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    assert lamina("rm", "-f", "web").stdout == "web\n"
    assert not lives(watcher)


def test_stop_asks_and_then_kills(busybox_store: Lamina) -> None:
    lamina = busybox_store
    polite = "trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done"
    lamina("run", "-d", "--name", "polite", *alone(lamina), "busybox", "sh", "-c", polite)
    lamina("run", "-d", "--name", "deaf", *alone(lamina), "busybox", "sleep", "1000")
    until(lambda: "sleep" in lamina("top", "polite").stdout)
    lamina("stop", "-t", "1", "polite", "deaf")
    assert status(lamina, "polite").startswith("Exited (7)")
    assert lamina("logs", "polite").stdout == "bye\n"
    assert status(lamina, "deaf").startswith("Exited (137)")
    assert lamina("stop", "deaf").stdout == "deaf\n"


def test_the_stop_signal_of_the_image_or_the_option(busybox_store: Lamina) -> None:
    lamina = busybox_store
    line = "trap 'echo usr1; exit 0' USR1; while :; do sleep 0.05; done"
    options = ["--stop-signal", "USR1", *alone(lamina)]
    lamina("run", "-d", "--name", "own", *options, "busybox", "sh", "-c", line)
    until(lambda: "sleep" in lamina("top", "own").stdout)
    lamina("stop", "own")
    assert lamina("logs", "own").stdout == "usr1\n"


def test_kill_sends_any_signal(busybox_store: Lamina) -> None:
    lamina = busybox_store
    line = "trap 'echo hup' HUP; echo up; while :; do sleep 0.05; done"
    lamina("run", "-d", "--name", "killed", *alone(lamina), "busybox", "sh", "-c", line)
    until(lambda: lamina("logs", "killed").stdout == "up\n")
    lamina("kill", "-s", "HUP", "killed")
    until(lambda: lamina("logs", "killed").stdout == "up\nhup\n")
    lamina("kill", "killed")
    assert lamina("wait", "killed").stdout == "137\n"
    failed = lamina("kill", "killed", check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("lamina: container killed is not running\n")
    assert lamina("kill", "-s", "NONE", "killed", check=False).stderr.startswith(
        "lamina: invalid signal: NONE\n"
    )


def test_restart_policies(busybox_store: Lamina) -> None:
    lamina = busybox_store
    fails = ["--restart", "on-failure:2", *alone(lamina), "busybox", "sh", "-c", "echo try; exit 4"]
    lamina("run", "-d", "--name", "fails", *fails)
    good = ["--restart", "on-failure", *alone(lamina), "busybox", "echo", "good"]
    lamina("run", "-d", "--name", "good", *good)
    always = ["--restart", "always", *alone(lamina), "busybox", "echo", "run"]
    lamina("run", "-d", "--name", "always", *always)
    until(
        lambda: (
            number(lamina, "fails", "restarts") == 2
            if "restarts" in record(lamina, "fails")
            else False
        )
    )
    until(lambda: state(lamina, "fails") == "exited")
    assert lamina("logs", "fails").stdout == "try\n" * 3
    assert lamina("logs", "good").stdout == "good\n"
    until(lambda: lamina("logs", "always").stdout.count("run") >= 3)
    lamina("stop", "always")
    assert state(lamina, "always") == "exited"
    ran = lamina("logs", "always").stdout
    time.sleep(0.5)
    assert lamina("logs", "always").stdout == ran


def test_after_a_boot_policies_are_asked_for(busybox_store: Lamina) -> None:
    lamina = busybox_store
    for name, policy in (("aa", "always"), ("us", "unless-stopped"), ("st", "unless-stopped")):
        options = ["--name", name, "--restart", policy, *alone(lamina)]
        lamina("run", "-d", *options, "busybox", "sleep", "1000")
    lamina("run", "-d", "--name", "no", *alone(lamina), "busybox", "sleep", "1000")
    lamina("stop", "-t", "0", "st")
    for name in ("aa", "us", "no"):
        os.kill(number(lamina, name, "watcher"), signal.SIGKILL)
    until(lambda: lamina("ps", "-q").stdout == "")
    assert sorted(lamina("start", "--by-policy").stdout.split()) == ["aa", "us"]
    assert state(lamina, "st") == state(lamina, "no") == "exited"
    lamina("rm", "-f", "aa", "us", "st", "no")


def test_restart_is_stop_and_start(busybox_store: Lamina) -> None:
    lamina = busybox_store
    lamina("run", "-d", "--name", "restarted", *alone(lamina), "busybox", "sleep", "1000")
    before = number(lamina, "restarted", "pid")
    assert lamina("restart", "-t", "0", "restarted").stdout == "restarted\n"
    assert number(lamina, "restarted", "pid") != before
    assert state(lamina, "restarted") == "running"
    lamina("rm", "-f", "restarted")


def test_the_log_is_rotated(busybox_store: Lamina) -> None:
    lamina = busybox_store
    options = ["--log-opt", "max-size=4k", "--log-opt", "max-file=3", *alone(lamina)]
    lamina("run", "-d", "--name", "rotated", *options, "busybox", "seq", "1000")
    lamina("wait", "rotated")
    directory = lamina.root / "containers" / str(record(lamina, "rotated")["id"])
    files = sorted(path.name for path in directory.glob("log.json*"))
    assert files == ["log.json", "log.json.1", "log.json.2"]
    assert all(path.stat().st_size <= 4096 for path in directory.glob("log.json*"))
    kept = lamina("logs", "rotated").stdout.split()
    assert kept[-1] == "1000"
    assert kept == [str(each) for each in range(int(kept[0]), 1001)]


def test_no_log(busybox_store: Lamina) -> None:
    lamina = busybox_store
    ran = lamina(
        "run", "--name", "silent", "--log-driver", "none", *alone(lamina), "busybox", "echo", "x"
    )
    assert ran.stdout == "x\n"
    directory = lamina.root / "containers" / str(record(lamina, "silent")["id"])
    assert not (directory / "log.json").exists()


def test_a_health_check(busybox_store: Lamina) -> None:
    lamina = busybox_store
    check = ["--health-cmd", "test -e /well || { echo not yet; exit 1; }", "--health-retries", "2"]
    check += ["--health-interval", "200ms", *alone(lamina)]
    line = "while [ ! -e /go ]; do sleep 0.05; done; touch /well; sleep 1000"
    lamina("run", "-d", "--name", "healthy", *check, "busybox", "sh", "-c", line)
    assert status(lamina, "healthy").endswith("(health: starting)")
    until(lambda: status(lamina, "healthy").endswith("(unhealthy)"))
    health = json.loads(lamina("inspect", "-f", "{{json .State.Health}}", "healthy").stdout)
    assert health["FailingStreak"] >= 2
    assert health["Log"][-1]["ExitCode"] == 1
    assert health["Log"][-1]["Output"] == "not yet\n"
    lamina("exec", "healthy", "touch", "/go")
    until(lambda: status(lamina, "healthy").endswith("(healthy)"))
    lamina("rm", "-f", "healthy")


REFUSED = {
    "pid": ("--pid container:nope busybox true", 125, False, "no container nope"),
    "ipc": ("--ipc container:nope busybox true", 125, False, "no container nope"),
    "volumes": ("--volumes-from nope busybox true", 125, False, "no container nope"),
    "mount": ("--mount type=bind,src=/nope,dst=/x busybox true", 125, False, "does not exist"),
    "memory": ("--memory 1k busybox true", 125, False, "minimum memory limit"),
    "network": ("--network nope busybox true", 125, True, "network nope not found"),
    "joined": ("--network container:nope busybox true", 125, True, "no container nope"),
    "stopped": ("--pid container:ended busybox true", 125, True, "container ended is not running"),
    "device": ("--device /dev/nope busybox true", 125, True, "no device /dev/nope"),
    "user": ("-u nobodyhere busybox true", 125, True, "unable to find user nobodyhere"),
    "program": ("busybox nosuch", 127, True, "nosuch: not found in $PATH"),
    "directory": ("busybox /etc", 126, True, "/etc: Permission denied"),
}
"""Options and command, exit status, whether the container is there afterwards as it is with
Docker, and what is said."""


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_left_of_one_that_could_not_be_run(busybox_store: Lamina, case: str) -> None:
    lamina = busybox_store
    text, number, left, said = REFUSED[case]
    lamina("create", "--name", "ended", "busybox", "true")
    for how in (["--rm"], ["-d"], []):
        done = lamina("run", *how, "--name", "odd", *text.split(), check=False)
        assert (done.returncode, done.stdout) == (number, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        if left and how != ["--rm"]:
            assert status(lamina, "odd") == "Created"
            shown = lamina("inspect", "-f", "{{.State.ExitCode}} {{.State.Error}}", "odd").stdout
            assert shown.startswith(f"{number} ") and said in shown
            lamina("rm", "odd")
        assert lamina("ps", "-a", "--format", "{{.Names}}").stdout == "ended\n"
    lamina("rm", "ended")


@pytest.mark.parametrize("how", [("--rm",), ("-d",), ()], ids=["rm", "detached", "attached"])
def test_how_it_ended_is_told_whatever_fails_then(busybox_store: Lamina, how: tuple[str]) -> None:
    """Here its network, what is known of which is a directory for a while."""
    lamina = busybox_store
    script = "while [ ! -e /go/now ]; do usleep 10000; done; exit 3"
    (go := lamina.root.parent / "go").mkdir()
    options = [*how, "--name", "odd", "-v", f"{go}:/go"]
    command = [str(COMMAND), "--root", str(lamina.root), "run", *options]
    with subprocess.Popen([*command, "busybox", "sh", "-c", script]) as running:
        until(lambda: status(lamina, "odd").startswith("Up"))
        (member,) = (lamina.root / "networks" / "members").iterdir()
        member.rename(aside := lamina.root.parent / "aside")
        member.mkdir()
        (go / "now").touch()
        assert running.wait(20) == (0 if how == ("-d",) else 3)
        if how == ("-d",):
            until(lambda: record(lamina, "odd")["status"] == "exited")
    if how != ("--rm",):
        found = record(lamina, "odd")
        assert (found["status"], found["exit_status"]) == ("exited", 3)
        assert "its network could not be taken away after its end: " in str(found["error"])
    member.rmdir()
    aside.rename(member)
    assert "odd" not in lamina("ps").stdout
    if how != ("--rm",):
        shown = lamina("inspect", "-f", "{{.State.ExitCode}} {{.State.Error}}", "odd").stdout
        assert shown.startswith("3 its network could not be taken away")
        lamina("start", "odd")
        lamina("wait", "odd")
        assert record(lamina, "odd").get("error", "") == ""
        lamina("rm", "odd")
    assert not any((lamina.root / "networks" / "members").iterdir())


def test_the_last_known_health_of_what_has_ended(busybox_store: Lamina) -> None:
    lamina = busybox_store
    check = ["--health-cmd", "echo ill; exit 1", "--health-retries", "1"]
    check += ["--health-interval", "100ms", *alone(lamina)]

    def health() -> dict[str, Any]:
        found = json.loads(lamina("inspect", "-f", "{{json .State}}", "ill").stdout)
        return dict(found.get("Health", {}))

    lamina("create", "--name", "ill", *check, "busybox", "sleep", "100")
    assert health() == {}, "as in Docker, before the first start"
    lamina("start", "ill")
    until(lambda: health()["Status"] == "unhealthy")
    lamina("stop", "-t", "0", "ill")
    ended = health()
    assert ended["Status"] == "unhealthy"
    assert ended["Log"][-1]["Output"] == "ill\n"
    assert status(lamina, "ill").startswith("Exited (137)"), "ps tells it of what runs alone"
    lamina("start", "ill")
    assert not [each for each in health()["Log"] if each in ended["Log"]], "it begins anew"
    lamina("rm", "-f", "ill")


def test_a_check_that_takes_too_long(busybox_store: Lamina) -> None:
    lamina = busybox_store
    check = ["--health-cmd", "sleep 100", "--health-retries", "1", "--health-timeout", "300ms"]
    check += ["--health-interval", "100ms", *alone(lamina)]
    lamina("run", "-d", "--name", "slow", *check, "busybox", "sleep", "1000")
    until(lambda: status(lamina, "slow").endswith("(unhealthy)"))
    health = json.loads(lamina("inspect", "-f", "{{json .State.Health}}", "slow").stdout)
    assert "exceeded timeout" in health["Log"][0]["Output"]
    lamina("rm", "-f", "slow")


def test_attach_shows_what_comes_and_gives_what_is_typed(busybox_store: Lamina) -> None:
    lamina = busybox_store
    lamina("run", "-di", "--name", "cat", *alone(lamina), "busybox", "cat")
    with attached(lamina, "attach", "cat") as first, attached(lamina, "attach", "cat") as second:
        assert first.stdin and first.stdout
        first.stdin.write(b"one\n")
        assert first.stdout.readline() == b"one\n"
        first.stdin.close()
        # Its input goes on after that: it was started in the background.
        assert second.stdin and second.stdout
        second.stdin.write(b"two\n")
        seen = second.stdout.readline()
        assert seen == b"two\n" or (seen, second.stdout.readline()) == (b"one\n", b"two\n")
        assert first.stdout.readline() == b"two\n"
        lamina("kill", "cat")
        assert second.wait(PATIENCE) == 137
        assert first.wait(PATIENCE) == 137


@contextmanager
def attached(lamina: Lamina, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command on pipes, for the length of a block."""
    command = [str(COMMAND), "--root", str(lamina.root), *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, lamina: Lamina, *words: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(COMMAND, [str(COMMAND), "--root", str(lamina.root), *words])
        self.seen = b""

    def expect(self, text: bytes) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} did not come; {self.seen!r} did"
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:
                break
        assert text in self.seen

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def end(self) -> int:
        _, raw = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(raw)


def test_a_terminal_is_left_and_come_back_to(busybox_store: Lamina) -> None:
    lamina = busybox_store
    first = Terminal(lamina, "run", "-it", "--name", "sh", *alone(lamina), "busybox", "sh")
    first.expect(b"# ")
    first.type(b"A=kept; echo sa''id\r")
    first.expect(b"said")
    first.type(b"\x10\x11")
    assert first.end() == 0
    assert state(lamina, "sh") == "running"
    second = Terminal(lamina, "attach", "sh")
    second.type(b"echo $A is he''re\r")
    second.expect(b"kept is here")
    second.type(b"exit 5\r")
    assert second.end() == 5
    until(lambda: state(lamina, "sh") == "exited")
    assert "kept is here" in lamina("logs", "sh").stdout


def test_the_terminal_has_our_size(busybox_store: Lamina) -> None:
    lamina = busybox_store
    import termios

    terminal = Terminal(lamina, "run", "-it", "--rm", *alone(lamina), "busybox", "sh")
    terminal.expect(b"# ")
    termios.tcsetwinsize(terminal.fd, (31, 97))
    os.kill(terminal.pid, signal.SIGWINCH)
    until(lambda: typed_size(terminal) == b"31 97", 5)
    terminal.type(b"exit\r")
    assert terminal.end() == 0


def typed_size(terminal: Terminal) -> bytes:
    terminal.seen = b""
    terminal.type(b"stty size; echo do''ne\r")
    terminal.expect(b"done")
    lines = terminal.seen.split(b"\r\n")
    return next((line for line in lines if re.fullmatch(rb"\d+ \d+", line)), b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_command_line_reach_the_container(
    busybox_store: Lamina, number: int
) -> None:
    lamina = busybox_store
    line = "trap 'exit 9' TERM INT; echo up; while :; do sleep 0.05; done"
    words = ["run", "--rm", *alone(lamina), "busybox", "sh", "-c", line]
    with attached(lamina, *words) as process:
        assert process.stdout and process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 9
    assert lamina("ps", "-aq").stdout == ""


def test_a_reader_that_has_gone_ends_what_writes_for_it(busybox_store: Lamina) -> None:
    lamina = busybox_store
    words = ["run", "--name", "yes", *alone(lamina), "busybox", "yes"]
    with attached(lamina, *words) as process:
        assert process.stdout and process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(PATIENCE) in {128 + signal.SIGPIPE, 1}


def test_the_command_line_is_killed(busybox_store: Lamina) -> None:
    """As with Docker, the container goes on, and can be attached to, stopped and removed."""
    lamina = busybox_store
    words = ["run", "--name", "on", *alone(lamina), "busybox", "sleep", "1000"]
    with attached(lamina, *words):
        until(lambda: state(lamina, "on") == "running")
    assert state(lamina, "on") == "running"
    lamina("stop", "-t", "0", "on")
    assert status(lamina, "on").startswith("Exited (137)")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_command_line_ends_while_it_pulls(lamina: Lamina, number: int) -> None:
    """No watcher that was forked ahead for it is left."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/never:answered"
        with subprocess.Popen(
            [COMMAND, "--root", lamina.root, "run", "--rm", image],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            connection, _ = silent.accept()
            with connection:
                until(lambda: list(processes(lamina.root.parent)) != [])
                process.send_signal(number)
                assert process.wait(PATIENCE) != 0
    until(lambda: list(processes(lamina.root.parent)) == [])


def test_the_watcher_is_killed(busybox_store: Lamina) -> None:
    lamina = busybox_store
    lamina("run", "-d", "--name", "watched", "-p", "80", "busybox", "sleep", "1000")
    found = record(lamina, "watched")
    pid, watcher = number(lamina, "watched", "pid"), number(lamina, "watched", "watcher")
    groups = [Path(str(each)) for each in list(found.get("groups", []))]  # type: ignore[call-overload]
    assert all(group.is_dir() for group in groups)
    os.kill(watcher, signal.SIGKILL)
    until(lambda: not lives(pid))
    assert status(lamina, "watched").startswith("Exited (255)")
    assert not any(group.exists() for group in groups)
    assert bridges(lamina) == []
    lamina("start", "watched")
    assert state(lamina, "watched") == "running"
    lamina("rm", "-f", "watched")
    assert bridges(lamina) == []


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def bridges(lamina: Lamina) -> list[str]:
    """The network interfaces of this store's networks that are there."""
    named = [
        json.loads(path.read_text()).get("bridge", "")
        for path in (lamina.root / "networks").glob("*.json")
    ]
    return [name for name in named if name and Path("/sys/class/net", name).exists()]


def test_the_machine_goes_down(busybox_store: Lamina) -> None:
    """A record of another boot is not believed, whatever runs under its pid by now."""
    lamina = busybox_store
    lamina("run", "-d", "--name", "machine", *alone(lamina), "busybox", "sleep", "1000")
    path = lamina.root / "containers" / str(record(lamina, "machine")["id"]) / "record.json"
    from lamina.store.root import open_store

    store = open_store(lamina.root)
    found = store.containers.find("machine")
    assert found.status == "running"
    store.containers.update(found.id, boot="another")
    assert store.containers.find("machine").status == "exited"
    assert path.exists()
    store.containers.update(found.id, boot=found.boot)
    lamina("rm", "-f", "machine")


def test_many_start_and_end_at_once(busybox_store: Lamina) -> None:
    lamina = busybox_store
    words = ["run", "--rm", *alone(lamina), "busybox", "sh", "-c", "echo $((6*7))"]
    with ExitStack() as stack:
        for process in [stack.enter_context(attached(lamina, *words)) for _ in range(8)]:
            out, _ = process.communicate(timeout=60)
            assert (process.returncode, out) == (0, b"42\n")
    assert lamina("ps", "-aq").stdout == ""
    assert list((lamina.root / "containers").iterdir()) == []
    assert list((lamina.root / "leases").iterdir()) == []


def test_events_of_a_life(busybox_store: Lamina) -> None:
    lamina = busybox_store
    lamina("run", "--name", "eventful", *alone(lamina), "busybox", "true")
    lamina("rm", "eventful")
    told = lamina(
        "events", "--since", "10m", "--until", "0s", "--format", "{{.Action}}"
    ).stdout.split()
    assert [each for each in told if each in {"create", "start", "die", "destroy"}] == [
        "create",
        "start",
        "die",
        "destroy",
    ]
