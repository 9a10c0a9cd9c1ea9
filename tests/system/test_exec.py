"""`lamina exec` on the real kernel: inside in every respect, and nothing of the host with it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.conftest import COMMAND, Lamina, need_containers, unmounted

pytestmark = pytest.mark.system
RUN = ("run", "-d", "--network", "none", "--name")
SLEEP = ("busybox", "sleep", "1000")


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Lamina]:
    """The command on a store with a running container `web`."""
    need_containers()
    lamina = Lamina(tmp_path_factory.mktemp("exec") / "root")
    lamina("import", str(busybox_tar), "busybox:latest")
    lamina(*RUN, "web", "-e", "OWN=1", "-w", "/tmp", "-m", "64m", *SLEEP)
    yield lamina
    ids = lamina("ps", "-aq").stdout.split()
    lamina("rm", "-f", *ids)
    unmounted(lamina.root)


@pytest.fixture(params=["quick", "usual"])
def execute(store: Lamina, request: pytest.FixtureRequest) -> Callable[..., str]:
    """`exec` by both of its ways; what it printed."""
    before = () if request.param == "quick" else ("--color", "never")

    def run(*args: str) -> str:
        return store(*before, "exec", *args).stdout

    return run


def argv(store: Lamina, *args: str) -> list[str]:
    return [str(COMMAND), "--root", str(store.root), *args]


def sh(execute: Callable[..., str], script: str, *options: str) -> str:
    return execute(*options, "web", "sh", "-c", script)


# inside


def test_all_its_namespaces_are_the_containers(execute: Callable[..., str]) -> None:
    script = "for n in mnt pid net ipc uts cgroup user; do readlink /proc/{}/ns/$n; done"
    assert sh(execute, script.format("self")) == sh(execute, script.format(1))
    assert sh(execute, "hostname; readlink /proc/1/exe").endswith("/bin/busybox\n")


def test_its_control_groups_are_the_containers(execute: Callable[..., str]) -> None:
    assert sh(execute, "cat /proc/self/cgroup") == sh(execute, "cat /proc/1/cgroup")


def test_it_may_do_what_the_container_may(execute: Callable[..., str]) -> None:
    script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/{}/status"
    own = sh(execute, script.format("self"))
    assert own == sh(execute, script.format(1))
    assert "Seccomp:\t2" in own
    lifted = sh(execute, script.format("self"), "--privileged")
    assert "Seccomp:\t2" in lifted
    assert int(lifted.split("CapEff:")[1].split()[0], 16) > int(
        own.split("CapEff:")[1].split()[0], 16
    )


def test_environment_directory_and_user(execute: Callable[..., str]) -> None:
    lines = set(sh(execute, "pwd; env", "-e", "MINE=a=b").splitlines())
    assert {"/tmp", "OWN=1", "MINE=a=b", "HOME=/root"} <= lines
    assert "HOSTNAME" in {line.partition("=")[0] for line in lines}
    assert sh(execute, "pwd; id -u; id -g", "-w", "/etc", "-u", "12:34") == "/etc\n12\n34\n"


def test_variables_come_from_files_and_from_ours(store: Lamina, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# no\nA=1\nOURS\n")
    env = {"OURS": "x", "B": "2"}
    done = store("exec", "--env-file", str(file), "-e", "B", "-e", "ABSENT", "web", "env", env=env)
    assert {"A=1", "OURS=x", "B=2"} <= set(done.stdout.splitlines())
    assert "ABSENT" not in done.stdout


def test_no_descriptor_of_ours_is_there(execute: Callable[..., str]) -> None:
    listed = sh(execute, "ls -l /proc/self/fd").splitlines()[1:]
    numbers = [line.partition(" -> ")[0].split()[-1] for line in listed]
    assert set(numbers) <= {"0", "1", "2", "3"}, "the last is the directory that ls reads"
    assert not [line for line in listed if "root" in line.partition(" -> ")[2]]


@pytest.mark.parametrize("way", [(), ("-i",)])
def test_what_it_prints_and_reads_is_carried(store: Lamina, way: tuple[str, ...]) -> None:
    done = store("exec", *way, "web", "sh", "-c", "cat; echo error >&2", stdin="line\n" * 20_000)
    assert done.stdout == ("line\n" * 20_000 if way else "")
    assert done.stderr == "error\n"


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("web", "sh", "-c", "exit 42"), 42, ""),
        (("web", "sh", "-c", "kill -9 $$"), 137, ""),
        (("web", "nonesuch"), 127, "nonesuch: not found in $PATH"),
        (("web", "/nonesuch"), 127, "/nonesuch: No such file"),
        (("web", "/etc"), 126, "/etc: Permission denied"),
        (("-w", "/nowhere", "web", "true"), 126, "/nowhere: no such file or directory"),
        (("-w", "relative", "web", "true"), 1, "needs to be an absolute path"),
        (("-u", "carol", "web", "true"), 126, "unable to find user carol"),
        (("-d", "web", "nonesuch"), 127, "nonesuch: not found in $PATH"),
        (("-it", "web", "true"), 1, "not a terminal"),
        (("absent", "true"), 1, "no container absent"),
        (("web",), 2, "COMMAND"),
        (("--detach-keys", "ctrl-1", "web", "true"), 1, "not a key"),
    ],
)
def test_exit_statuses(store: Lamina, args: tuple[str, ...], status: int, said: str) -> None:
    done = store("exec", *args, check=False)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


# its course


def test_signals_go_to_the_program(store: Lamina) -> None:
    script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        argv(store, "exec", "web", "sh", "-c", script), stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        command.send_signal(signal.SIGTERM)
        assert (command.stdout.read(), command.wait(20)) == ("got\n", 5)


def running(store: Lamina, mark: str) -> bool:
    return f"sleep {mark}" in store("exec", "web", "ps").stdout


def test_killed_without_mercy_it_takes_the_program_along(store: Lamina) -> None:
    command = subprocess.Popen(argv(store, "exec", "web", "sleep", "1001"))
    until(lambda: running(store, "1001"))
    command.kill()
    command.wait()
    until(lambda: not running(store, "1001"))


def test_detached_it_goes_on_and_ends_with_the_container(store: Lamina) -> None:
    store(*RUN, "short", *SLEEP)
    assert store("exec", "-d", "short", "sleep", "1002").stdout == ""
    until(lambda: "sleep 1002" in store("exec", "short", "ps").stdout)
    (pid,) = [
        path.name
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _words(path) == ["sleep", "1002"]
    ]
    store("rm", "-f", "short")
    until(lambda: _words(Path("/proc", pid)) != ["sleep", "1002"])


def _words(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def test_only_a_container_that_runs_is_entered(store: Lamina) -> None:
    store(*RUN, "states", *SLEEP)
    store("pause", "states")
    done = store("exec", "states", "true", check=False)
    assert (done.returncode, "container states is paused" in done.stderr) == (1, True)
    store("unpause", "states")
    assert store("exec", "states", "echo", "again").stdout == "again\n"
    store("kill", "states")
    store("wait", "states")
    done = store("exec", "states", "true", check=False)
    assert (done.returncode, "container states is not running" in done.stderr) == (1, True)
    store("start", "states")
    assert store("exec", "states", "echo", "anew").stdout == "anew\n"
    store("rm", "-f", "states")


def test_another_name_and_a_new_start_are_no_obstacle(store: Lamina) -> None:
    store(*RUN, "before", *SLEEP)
    store("rename", "before", "after")
    assert store("exec", "after", "echo", "here").stdout == "here\n"
    store("restart", "-t", "0", "after")
    assert store("exec", "after", "echo", "there").stdout == "there\n"
    store("rm", "-f", "after")


def test_it_is_told(store: Lamina) -> None:
    for before in ((), ("--color", "never")):
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
        store(*before, "exec", "web", "sh", "-c", 'exit "7"', check=False)
        told = store(
            "events", "--since", begun, "--until", "0s", "--format",
            "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}",
        ).stdout.splitlines()  # fmt: skip
        assert told[-3:] == [
            'exec_create: sh -c exit "7" web <no value>',
            'exec_start: sh -c exit "7" web <no value>',
            "exec_die web 7",
        ]


def test_the_end_of_what_was_detached_is_told(store: Lamina) -> None:
    time.sleep(1.1)  # --since counts whole seconds: what others did before is not ours
    begun = str(int(time.time()))

    def told() -> list[str]:
        return store(
            "events", "--filter", "container=web", "--since", begun, "--until", "0s", "--format",
            "{{.Action}}|{{.Actor.Attributes.execID}}|{{.Actor.Attributes.exitCode}}",
        ).stdout.splitlines()  # fmt: skip

    store("exec", "-d", "web", "sh", "-c", "sleep 0.5; exit 7")
    until(lambda: told()[-1].startswith("exec_die"))
    assert told()[-1].split("|")[1:] == [told()[-2].split("|")[1], "7"]
    store("exec", "-d", "web", "nonesuch", check=False)
    store("exec", "-d", "web", "sh", "-c", "kill -9 $$")
    until(lambda: told()[-1].startswith("exec_die"))
    assert told()[-1].endswith("|137")
    assert [line.split("|")[0] for line in told()].count("exec_die") == 2, "none for what never ran"


def test_who_waits_for_what_was_detached_is_small_and_has_nothing_of_ours(store: Lamina) -> None:
    store(*RUN, "beside", *SLEEP)
    with subprocess.Popen(
        argv(store, "exec", "-d", "beside", "sleep", "1003"), stdout=subprocess.PIPE, pass_fds=()
    ) as command:
        assert command.communicate(timeout=10)[0] == b"", "its output is not held open"
    until(lambda: "sleep 1003" in store("exec", "beside", "ps").stdout)
    (pid,) = [path for path in Path("/proc").iterdir() if _words(path) == ["sleep", "1003"]]
    parent = Path("/proc", (pid / "stat").read_text().rpartition(")")[2].split()[1])
    assert any("exec_end" in word for word in _words(parent))
    until(lambda: {os.readlink(path) for path in (parent / "fd").iterdir()} == {"/dev/null"})
    private = re.findall(r"Private_Dirty: +(\d+) kB", (parent / "smaps_rollup").read_text())
    assert int(private[0]) < 6000, "3 MB were measured"
    store("rm", "-f", "beside")
    until(lambda: not parent.exists())


# terminals


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(command[0], command)
        self.seen = b""

    def read_until(self, text: bytes) -> bytes:
        deadline = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 65536)
        found, _, self.seen = self.seen.partition(text)
        return found

    def end(self) -> int:
        """Its exit status."""
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_a_terminal_of_the_containers_own(store: Lamina) -> None:
    terminal = Terminal(argv(store, "exec", "-it", "web", "sh"))
    termios.tcsetwinsize(terminal.fd, (33, 77))
    os.write(terminal.fd, b"stty size; tty; ls -l /proc/self/fd/0\n")
    terminal.read_until(b"33 77")
    terminal.read_until(b"/dev/pts/")
    terminal.read_until(b"/proc/self/fd/0 -> /dev/pts/")
    termios.tcsetwinsize(terminal.fd, (44, 88))
    os.write(terminal.fd, b"sleep 0.3; stty size\n")
    terminal.read_until(b"44 88")
    os.write(terminal.fd, b"sleep 1003\n")
    until(lambda: running(store, "1003"))
    os.write(terminal.fd, b"\x03")
    os.write(terminal.fd, b"echo status $?\n")
    terminal.read_until(b"status 130")
    os.write(terminal.fd, b"exit 9\n")
    assert terminal.end() == 9


def test_keys_leave_the_program_running(store: Lamina) -> None:
    terminal = Terminal(argv(store, "exec", "-it", "web", "sh", "-c", "echo in; sleep 1004"))
    terminal.read_until(b"in")
    os.write(terminal.fd, b"\x10\x11")
    assert terminal.end() == 0
    assert running(store, "1004")
    store("exec", "web", "sh", "-c", "kill $(ps | awk '/sleep 1004/ && !/awk/ {print $1}')")
    until(lambda: not running(store, "1004"))


def test_a_terminal_that_is_cut_off_ends_the_program(store: Lamina) -> None:
    terminal = Terminal(argv(store, "exec", "-it", "web", "sh", "-c", "echo in; sleep 1005"))
    terminal.read_until(b"in")
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.end()
    until(lambda: not running(store, "1005"))


# safety


def test_nobody_inside_looks_into_who_enters_cve_2016_9962(store: Lamina) -> None:
    script = (
        "echo go; while :; do for p in /proc/[0-9]*; do"
        " [ $p = /proc/1 ] || { readlink $p/exe; readlink $p/root; ls $p/fd; }; done;"
        " done 2>/dev/null | grep -v -e ^/$ -e busybox -e '^[012]$'"
    )
    store(*RUN, "spy", "busybox", "sh", "-c", script)
    for _ in range(4):
        store("exec", "spy", "true")
        store("--color", "never", "exec", "spy", "true")
    seen = store("logs", "spy").stdout
    store("rm", "-f", "spy")
    assert "python" not in seen
    assert str(store.root) not in seen


@pytest.mark.parametrize("text", ["#!/proc/self/exe\n", "#!/proc/self/fd/4\n"])
def test_what_executes_the_program_cannot_be_had_cve_2019_5736(store: Lamina, text: str) -> None:
    store("exec", "web", "sh", "-c", f"printf '{text}' > /tmp/evil; chmod +x /tmp/evil")
    done = store("exec", "web", "/tmp/evil", check=False)
    assert done.returncode in {126, 127}
    assert "Python" not in done.stdout + done.stderr


@pytest.mark.parametrize("cwd", ["/proc/self/fd/7", "/proc/self/root/..", "/proc/1/cwd/../.."])
def test_no_directory_leads_out_cve_2024_21626(store: Lamina, cwd: str) -> None:
    done = store("exec", "-w", cwd, "web", "ls", "-a", "..", check=False)
    assert done.returncode == 126 or "work" not in done.stdout.split()


def test_a_terminal_is_not_what_the_container_says_it_is(store: Lamina) -> None:
    """A container that may mount puts something of its own at /dev/pts."""
    store(*RUN, "liar", "--privileged", *SLEEP)
    store("exec", "liar", "sh", "-c", "mount -t tmpfs x /dev/pts; mkfifo /dev/pts/ptmx")
    done = store("exec", "-t", "liar", "true", check=False)
    assert (done.returncode, "no terminal" in done.stderr) == (126, True), done.stderr
    store("rm", "-f", "liar")
