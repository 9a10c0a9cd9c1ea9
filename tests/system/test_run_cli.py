"""`lamina run` and what shows its containers, as a user types them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.linux.processes import started
from lamina.store.root import open_store
from tests.system.conftest import COMMAND
from tests.system.containers import Cli, make_rootfs, needs_busybox, rootfs_tar

pytestmark = [pytest.mark.system, needs_busybox, pytest.mark.usefixtures("root_only")]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a store that holds `bb:latest`."""
    place = tmp_path_factory.mktemp("cli")
    command = Cli(place / "store")
    changes = ('CMD ["echo", "default"]', "ENV PATH=/bin KIND=image", "LABEL of=image")
    options = [word for change in changes for word in ("--change", change)]
    command("import", *options, "-", "bb", input_=rootfs_tar(make_rootfs(place / "rootfs")))
    return command


def wait_until(true: Callable[[], bool]) -> None:
    """Look again and again, for ten seconds at most."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def records(cli: Cli, *args: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in cli.out("ps", "--format", "json", *args).splitlines()]


def status_of(cli: Cli, name: str) -> str:
    return next((row["State"] for row in records(cli, "-a") if row["Names"] == name), "")


def test_command_entrypoint_and_environment(cli: Cli, tmp_path: Path) -> None:
    assert cli.out("run", "--rm", "bb") == "default\n"
    assert cli.out("run", "--rm", "bb", "echo", "-n", "--rm") == "--rm"
    assert cli.out("run", "--rm", "--entrypoint", "basename", "bb", "/a/b") == "b\n"
    file = tmp_path / "env"
    file.write_text("# comment\nFROM_FILE=1\n\nKIND=file\n")
    out = cli.out(
        *("run", "--rm", "--env-file", str(file), "-e", "KIND=mine", "-e", "NOT_THERE"),
        *("-h", "web", "bb", "env"),
    )
    lines = set(out.splitlines())
    assert {"KIND=mine", "FROM_FILE=1", "HOSTNAME=web", "HOME=/root", "PATH=/bin"} <= lines
    assert not [line for line in lines if line.startswith("NOT_THERE")]


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("--rm", "bb", "sh", "-c", "exit 42"), 42, ""),
        (("--rm", "bb", "nonesuch"), 127, "nonesuch: not found"),
        (("--rm", "bb", "/etc/passwd"), 126, "ermission denied"),
        (("--rm", "--pull", "never", "absent", "true"), 125, "no image absent"),
        (("--rm", "-u", "carol", "bb", "true"), 125, "unable to find user carol"),
        (("--rm", "--cap-add", "FLY", "bb", "true"), 125, "no capability FLY"),
        (("--rm", "-v", "relative", "bb", "true"), 125, "must be absolute"),
        (("--rm", "--mount", "type=bind,source=/nowhere,target=/x", "bb", "true"), 125, "/nowhere"),
        (("-it", "bb", "true"), 125, "not a terminal"),
        (("--nonsense", "bb"), 2, "nonsense"),
    ],
)
def test_exit_statuses(cli: Cli, args: tuple[str, ...], status: int, said: str) -> None:
    before = records(cli, "-a")
    done = cli("run", *args)
    assert (done.returncode, said in done.stderr.decode()) == (status, True), done.stderr
    assert b"Traceback" not in done.stderr
    assert records(cli, "-a") == before, "nothing is left"


def test_a_container_keeps_its_record_its_changes_and_its_log(cli: Cli) -> None:
    cli("run", "--name", "kept", "-l", "a=b", "bb", "sh", "-c",
        "echo out; echo error >&2; echo new > /file; rm /etc/group; exit 3")  # fmt: skip
    (row,) = records(cli, "-a", "--filter", "name=kept")
    assert (row["State"], row["Image"]) == ("exited", "bb")
    assert row["Status"].startswith("Exited (3) ")
    assert row["Labels"] == "a=b,of=image"
    assert cli.out("diff", "kept") == "C /etc\nD /etc/group\nA /file\n"
    done = cli("logs", "kept")
    assert (done.stdout, done.stderr) == (b"out\n", b"error\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z out\n", cli.out("logs", "-t", "kept"))
    assert cli.out("logs", "--tail", "1", "kept") == ""
    assert cli.out("rm", "kept") == "kept\n"
    assert status_of(cli, "kept") == ""


def test_ps_filters_and_forms(cli: Cli) -> None:
    for name in ("p1", "p2"):
        cli("run", "--name", name, "-l", f"is={name}", "bb", "true")
    assert cli.out("ps", "-q") == ""
    ids = cli.out("ps", "-aq", "--no-trunc", "--filter", "name=p").split()
    assert [len(each) for each in ids] == [64, 64]
    names = ("--format", "{{.Names}}")
    assert cli.out("ps", "-l", *names) == "p2\n"
    assert cli.out("ps", "-a", *names, "--filter", "label=is=p1") == "p1\n"
    assert cli.out("ps", *names, "--filter", "status=exited", "--filter", "ancestor=bb") == (
        "p2\np1\n"
    )
    assert cli("ps", "--filter", "status=flying").returncode == 1
    assert "virtual" in cli.out("ps", "-as")
    cli.out("rm", "p1", "p2")


def test_a_name_is_taken_once(cli: Cli) -> None:
    cli("run", "--name", "twice", "bb", "true")
    done = cli("run", "--name", "twice", "bb", "true")
    assert (done.returncode, b"belongs to" in done.stderr) == (125, True)
    cli.out("rm", "twice")


def test_commit_makes_an_image_that_runs(cli: Cli) -> None:
    cli("run", "--name", "changed", "bb", "sh", "-c", "echo changed > /etc/motd; rm /home -r")
    identity = cli.out(
        "commit", "-m", "why", "-a", "me", "-c", 'CMD ["cat","/etc/motd"]', "changed", "n"
    )
    assert identity.startswith("sha256:")
    assert cli.out("run", "--rm", "n") == "changed\n"
    assert cli("run", "--rm", "n", "ls", "/home").returncode == 1
    store = open_store(cli.root)
    image = store.images.find("n")
    assert (image.config.author, image.config.history[-1].comment) == ("me", "why")
    paths = {entry.path for entry in store.layers.listing(image.layers[-1]).entries}
    assert paths == {"etc", "etc/motd", ".wh.home"}, "no mount point is among the changes"
    cli.out("rm", "changed")
    cli.out("rmi", "n")


def test_export_is_the_merged_tree(cli: Cli, tmp_path: Path) -> None:
    cli("run", "--name", "ex", "bb", "sh", "-c", "echo x > /new; rm /etc/group")
    target = tmp_path / "tree.tar"
    cli.out("export", "-o", str(target), "ex")
    names = subprocess.run(["tar", "tf", target], capture_output=True, text=True, check=True).stdout
    assert {"new", "etc/passwd", "bin/busybox"} <= set(names.split())
    assert "etc/group" not in names.split()
    assert cli("export", "ex").stdout == target.read_bytes()
    cli.out("rm", "ex")


def test_input_reaches_the_program_only_when_asked(cli: Cli) -> None:
    text = b"line\n" * 50_000
    assert cli("run", "--rm", "-i", "bb", "cat", input_=text).stdout == text
    assert cli("run", "--rm", "bb", "cat", input_=text).stdout == b""
    assert cli("run", "--rm", "-i", "bb", "head", "-1", input_=text).stdout == b"line\n"


def test_a_reader_that_goes_away_ends_the_program(cli: Cli) -> None:
    command = subprocess.Popen(cli.argv("run", "--rm", "bb", "yes"), stdout=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stdout.readline() == b"y\n"
    command.stdout.close()
    assert command.wait(10) != 0


def test_volumes(cli: Cli, tmp_path: Path) -> None:
    cli.out("run", "--rm", "-v", "data:/d", "bb", "sh", "-c", "echo kept > /d/f")
    assert cli.out("run", "--rm", "-v", "data:/e:ro", "bb", "cat", "/e/f") == "kept\n"
    missing = tmp_path / "made" / "here"
    cli.out("run", "--rm", "-v", f"{missing}:/d", "bb", "touch", "/d/f")
    assert (missing / "f").exists()
    done = cli("run", "--rm", "--tmpfs", "/t:size=1m", "bb", "sh", "-c", "df /t | tail -1")
    assert b"1024" in done.stdout


def start(cli: Cli, name: str, *args: str) -> subprocess.Popen[bytes]:
    command = subprocess.Popen(
        cli.argv("run", "--name", name, *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until(lambda: status_of(cli, name) == "running")
    return command


def finish(command: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    out, _ = command.communicate(timeout=20)
    return command.returncode, out


TRAP = "trap 'echo got it; exit 5' TERM INT; echo ready; while :; do sleep 0.05; done"


def test_signals_are_passed_on(cli: Cli) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        command = start(cli, "trap", "--rm", "bb", "sh", "-c", TRAP)
        assert command.stdout is not None
        assert command.stdout.readline() == b"ready\n"
        command.send_signal(number)
        assert finish(command) == (5, b"got it\n")


def test_a_third_interrupt_kills(cli: Cli) -> None:
    command = start(cli, "deaf", "--rm", "bb", "sh", "-c", "trap '' INT; echo ready; sleep 100")
    assert command.stdout is not None
    assert command.stdout.readline() == b"ready\n"
    for _ in range(30):  # signals of one number that wait together are one
        if command.poll() is None:
            command.send_signal(signal.SIGINT)
            time.sleep(0.1)
    assert finish(command)[0] == 137
    assert status_of(cli, "deaf") == ""


def test_killing_the_watcher_kills_the_container_and_leaves_nothing_mounted(cli: Cli) -> None:
    command = start(cli, "orphan", "bb", "sh", "-c", "sleep 1000 & sleep 1000; true")
    store = open_store(cli.root)
    record = store.containers.find("orphan")
    children = Path(f"/proc/{record.pid}/task/{record.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 2)
    pids = [record.pid, *map(int, children.read_text().split())]
    os.kill(record.watcher, signal.SIGKILL)
    assert finish(command)[0] == 255
    wait_until(lambda: not any(started(pid) for pid in pids))
    assert status_of(cli, "orphan") == "exited"
    assert str(cli.root) not in Path("/proc/self/mountinfo").read_text()
    assert cli.out("rm", "orphan") == "orphan\n"


def test_a_running_container_is_removed_by_force_only(cli: Cli) -> None:
    command = start(cli, "busy", "bb", "sleep", "1000")
    done = cli("rm", "busy")
    assert (done.returncode, b"is running" in done.stderr) == (1, True)
    assert cli.out("rm", "-f", "busy") == "busy\n"
    assert finish(command)[0] == 137
    assert status_of(cli, "busy") == ""


def test_logs_follow_a_running_container(cli: Cli) -> None:
    command = start(cli, "chatty", "bb", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    assert cli.out("logs", "-f", "chatty") == "1\n2\n3\n"
    finish(command)
    cli.out("rm", "chatty")


# the terminal


class Terminal:
    """A user's terminal with a command in it."""

    def __init__(self, argv: list[str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(argv[0], argv)
        self.seen = b""

    def expect(self, text: bytes) -> None:
        """Read until `text` was printed."""
        end = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    raise AssertionError(self.seen) from None
        self.seen = self.seen.partition(text)[2]

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def status(self) -> int:
        """Wait for the end of the command, reading what it still prints."""
        while True:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_real_terminal(cli: Cli) -> None:
    terminal = Terminal(cli.argv("run", "--rm", "-it", "bb", "sh"))
    termios.tcsetwinsize(terminal.fd, (33, 101))
    before = termios.tcgetattr(terminal.fd)
    terminal.expect(b"# ")
    terminal.type(b"tty; echo term=$TERM; test -t 0 && test -t 1 && test -t 2 && echo all\r")
    terminal.expect(b"/dev/pts/0")
    terminal.expect(b"term=xterm")
    terminal.expect(b"all")
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ICANON, "raw while it runs"
    termios.tcsetwinsize(terminal.fd, (40, 120))
    os.kill(terminal.pid, signal.SIGWINCH)
    terminal.type(b"stty size; ls -l /dev/console\r")
    terminal.expect(b"40 120")
    terminal.expect(b"136,   0")
    terminal.type(b"sleep 100\r")
    terminal.expect(b"sleep 100")
    time.sleep(0.3)  # the shell has to hand the terminal over first
    terminal.type(b"\x03")
    terminal.type(b"echo after $?; exit 9\r")
    terminal.expect(b"after 130")
    wait_until(lambda: termios.tcgetattr(terminal.fd)[3] == before[3])
    assert terminal.status() == 9


def test_job_control_in_a_terminal(cli: Cli) -> None:
    terminal = Terminal(cli.argv("run", "--rm", "-it", "bb", "sh"))
    terminal.expect(b"# ")
    terminal.type(b"sleep 100\r")
    terminal.expect(b"sleep 100")
    time.sleep(0.3)
    terminal.type(b"\x1a")
    terminal.expect(b"Stopped")
    # A shell that has not seen yet that the job has ended refuses the first.
    terminal.type(b"kill -9 %1; exit 4\rexit 4\r")
    assert terminal.status() == 4


def test_a_terminal_without_input(cli: Cli) -> None:
    done = cli("run", "--rm", "-t", "bb", "sh", "-c", "test -t 1 && echo yes")
    assert (done.returncode, done.stdout) == (0, b"yes\r\n")


def test_the_users_own_terminal_is_never_handed_over(cli: Cli) -> None:
    script = "for n in 0 1 2; do readlink /proc/1/fd/$n; done; echo done"
    terminal = Terminal(cli.argv("run", "--rm", "-i", "bb", "sh", "-c", script))
    for _ in range(3):
        terminal.expect(b"pipe:")
    terminal.expect(b"done")
    terminal.status()


def test_a_new_volume_gets_what_the_image_has_there(cli: Cli) -> None:
    cli.out("run", "--name", "seeded", "bb", "sh", "-c", "mkdir /data; echo seed > /data/f;"
            "chown 12 /data/f; chmod 700 /data")  # fmt: skip
    cli.out("commit", "-c", "VOLUME /data", "seeded", "with-volume")
    cli.out("rm", "seeded")
    script = "stat -c '%u %a' /data/f /data; echo changed > /data/f"
    assert cli.out("run", "--rm", "-v", "seed:/data", "with-volume", "sh", "-c", script) == (
        "12 644\n0 700\n"
    )
    assert cli.out("run", "--rm", "-v", "seed:/data", "bb", "cat", "/data/f") == "changed\n"
    before = set((cli.root / "volumes").iterdir())
    assert cli.out("run", "--rm", "with-volume", "cat", "/data/f") == "seed\n"
    assert set((cli.root / "volumes").iterdir()) == before, "--rm takes the volume away, too"
    cli.out("run", "--name", "vol", "with-volume", "touch", "/data/mine")
    assert cli.out("diff", "vol") == "", "a volume is no change of the container"
    assert len(set((cli.root / "volumes").iterdir()) - before) == 1
    cli.out("rm", "-v", "vol")
    assert set((cli.root / "volumes").iterdir()) == before
    cli.out("rmi", "with-volume")


def test_an_ordinary_user_may_open_the_streams_by_name(cli: Cli) -> None:
    script = "echo out > /dev/stdout; echo error > /dev/stderr; cat /dev/stdin"
    done = cli("run", "--rm", "-i", "-u", "bob", "bb", "sh", "-c", script, input_="in\n")
    assert (done.stdout, done.stderr) == (b"out\nin\n", b"error\n")
    done = cli("run", "--rm", "-t", "-u", "bob", "bb", "sh", "-c", "echo out > /dev/stdout; tty")
    assert done.stdout == b"out\r\n/dev/pts/0\r\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(cli: Cli, closed: str, tmp_path: Path) -> None:
    def lamina(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f'"$@" {closed}', "bash", str(COMMAND), "--root", str(cli.root), *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    says = ["sh", "-c", "cat; echo out; echo error >&2; echo ran >> /mark/file"]
    out = "" if ">&-" in closed.split() else "out\n"
    error = "" if "2>&-" in closed else "error\n"
    name = tmp_path.name
    cli.out("run", "-d", "--name", name, "-v", f"{tmp_path}:/mark", "bb", "sleep", "100")
    try:
        done = lamina("run", "--rm", "-i", "-v", f"{tmp_path}:/mark", "bb", *says)
        assert (done.returncode, done.stdout, done.stderr) == (0, out, error)
        done = lamina("exec", "-i", name, *says)
        assert (done.returncode, done.stdout, done.stderr) == (0, out, error)
        assert (tmp_path / "file").read_text() == "ran\nran\n"
        done = lamina("run", "-d", "--name", f"{name}-2", "bb", "sleep", "100")
        assert done.returncode == 0
        assert cli.out("inspect", "-f", "{{.State.Status}}", f"{name}-2") == "running\n"
        done = lamina("images", "-q")
        assert done.returncode == 0 and bool(done.stdout) == bool(out)
    finally:
        cli("rm", "-f", name, f"{name}-2")
