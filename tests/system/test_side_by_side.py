"""The same command lines through `docker run` and `lamina run`: what differs is listed here."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamina.linux import capability, syscall
from tests.system.commandlines import LINES, Line
from tests.system.conftest import COMMAND, Lamina, Tool
from tests.system.containers import BUSYBOX, make_rootfs, needs_busybox
from tests.system.seen_inside import differences, facts

pytestmark = needs_busybox
_AT_ONCE = 4
_LONGEST = 60
_ENV_FILE = "# a comment\nFROM_FILE=yes\nSPACED= as it is \nONE=overridden\n"
_PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
}


@dataclass(frozen=True)
class Accepted:
    """A difference that is meant, and why."""

    line: str
    """A regular expression that the name of the whole command line matches."""
    what: str
    """The same for what differs."""
    docker: str
    lamina: str
    because: str

    def covers(self, line: str, what: str, docker: str, lamina: str) -> bool:
        """Whether this is that difference."""
        pairs = ((self.line, line), (self.what, what), (self.docker, docker), (self.lamina, lamina))
        return all(re.fullmatch(pattern, text, re.DOTALL) for pattern, text in pairs)


_ANY = ".*"
_NODE = "/dev/(null|zero|full|random|urandom|tty|fuse|other)"
ACCEPTED = (
    Accepted(_ANY, "mount /", "ext4 r[ow]", "overlay r[ow]", "the test's daemon copies layers"),
    Accepted(_ANY, "peers /", "master", "", "nothing of the host's mounts comes in later"),
    Accepted(_ANY, "peers .*", "master", "", "nor below a volume"),
    Accepted(_ANY, "flags .*", "", "nodev", "a device node that is copied in opens nothing"),
    Accepted(_ANY, "flags /dev", "nosuid", "nodev nosuid", "nor one that is made in /dev"),
    Accepted(_ANY, f"node {_NODE}", "-", "a mount of its own", "for the nodes are bound"),
    Accepted(_ANY, "(mount|peers|flags) /proc/interrupts", "-", ".*", "later Dockers hide it"),
    Accepted(_ANY, "namespaces cgroup", "host", "private", "as Docker has it with version 2"),
    Accepted(_ANY, "own host", "", r"127\.0\.0\.1 .*", "its own name is known without a network"),
    Accepted(_ANY, "dev core", "-", "l.* /proc/kcore", "a link costs nothing without a kcore"),
    Accepted("name of the host", "env HOSTNAME", "<id>", _ANY, "the name that hostname tells"),
    Accepted("not a program", "status", "1", "126", "the shell's status for it"),
    Accepted("made device", "stderr", ".*not permitted.*", ".*denied.*", "nodev says EACCES"),
    Accepted("unknown option|bad pull", "status", "125", "2", "wrong usage is 2 everywhere"),
    Accepted("bad device", "status", "127", "125", "no program is missing"),
    Accepted("terminal for a file", "status", "1", "125", "as for all that keeps it from starting"),
    Accepted("detached and attached", "status", "1", "125", "the same"),
    Accepted("init", "stdout", "/sbin/docker-init\n", "", "ours is in nobody's way: not a file"),
    Accepted("init", "stderr", "", ".*/sbin/docker-init: No such.*", "the same"),
    Accepted("detached, not found", "stdout", "<id>\n", "", "that container is gone already"),
    Accepted("detached, not found", "stderr", ".*not found.*", ".*not found.*", "other words"),
)
"""What is meant to be otherwise.  One that is no longer so fails the test."""


@dataclass(frozen=True)
class Outcome:
    """How a command line ended."""

    status: int
    out: str
    error: str


class Engine:
    """Runs command lines, each with a directory of the host of its own."""

    def __init__(self, name: str, command: Sequence[str], env: dict[str, str], place: Path) -> None:
        self.name = name
        self._command = command
        self._env = {**os.environ, **env, "FROM_OUTSIDE": "here", "TERM": "dumb"}
        self._place = place

    def place(self, line: Line) -> str:
        """The directory that is `{host}` in a line."""
        return str(self._place / re.sub(r"\W", "-", line.name))

    def run(self, line: Line) -> Outcome:
        """Run a line to its end."""
        place = Path(self.place(line))
        _fill(place)
        words = line.options.format(host=place, name=f"side-{place.name}")
        network = ["--network", line.network] if line.network else []
        command = [*self._command, "run", *network, *shlex.split(words)]
        command += [line.image, *line.command]
        return self._on_a_terminal(command) if line.terminal else self._on_pipes(line, command)

    def _on_pipes(self, line: Line, command: list[str]) -> Outcome:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if line.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
            encoding="utf-8",
            errors="replace",
        )
        with _ending(process):
            first = ""
            if line.signal:
                assert process.stdout is not None
                first = process.stdout.readline()
                time.sleep(0.2)  # docker's client hears of signals a moment after it prints
                process.send_signal(signal.Signals[f"SIG{line.signal}"])
            out, error = process.communicate(line.stdin)
        return Outcome(process.returncode, first + out, error)

    def _on_a_terminal(self, command: list[str]) -> Outcome:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self._env,
            start_new_session=True,
        )
        os.close(theirs)
        printed = b""
        with _ending(process):
            while True:
                try:
                    printed += os.read(ours, 4096)
                except OSError:
                    break
            os.close(ours)
            process.wait()
        return Outcome(process.returncode, printed.decode(), "")


class _ending:  # noqa: N801 - reads as a phrase
    """A process is killed when it takes too long."""

    def __init__(self, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
        self._timer = threading.Timer(_LONGEST, process.kill)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _fill(place: Path) -> None:
    (place / "tree").mkdir(parents=True)
    (place / "tree" / "file").write_text("from the host\n")
    (place / "env").write_text(_ENV_FILE)
    (place / "profile.json").write_text(json.dumps(_PROFILE))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store of ours that has the images, and an archive of them."""
    home = tmp_path_factory.mktemp("side")
    rootfs = make_rootfs(home / "rootfs")
    (rootfs / "data").mkdir(mode=0o750)
    (rootfs / "data" / "given").write_text("from the image\n")
    os.chown(rootfs / "data" / "given", 1000, 55)
    (rootfs / "opt" / "kept").mkdir(parents=True)
    (rootfs / "opt" / "kept" / "old").write_text("old\n")
    (rootfs / "home" / "bob").mkdir()
    (rootfs / "plain.txt").write_text("just text\n")
    (rootfs / "garbage").write_bytes(b"\0\1\2garbage")
    (rootfs / "garbage").chmod(0o755)
    (rootfs / "link").symlink_to("/tmp")
    shutil.copy(BUSYBOX, rootfs / "bin" / "setuid-busybox")
    _write_script(rootfs)
    tar = home / "rootfs.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(rootfs, arcname=".")
    ours = Lamina(home / "root")
    plain = ("ENV", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    changes = {
        "side:latest": ['CMD ["sh"]', "VOLUME /data", " ".join(plain)],
        "side:entry": ['ENTRYPOINT ["echo","entry"]', 'CMD ["given"]', "USER bob", " ".join(plain)],
        "side:empty": [" ".join(plain)],
    }
    for name, lines in changes.items():
        ours("import", *(word for line in lines for word in ("--change", line)), str(tar), name)
    archive_path = home / "images.tar"
    ours("save", "-o", str(archive_path), *changes)
    return ours.root, archive_path


def _write_script(rootfs: Path) -> None:
    place = rootfs / "bin" / "setuid-id"
    (rootfs / "bin" / "setuid-busybox").rename(place)
    place.chmod(0o4755)


@pytest.fixture(scope="module")
def outcomes(
    docker: Tool, images: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[tuple[Engine, Engine], dict[str, tuple[Outcome, Outcome]]]:
    """How each line ended with docker and with lamina, by its name."""
    root, archive = images
    docker("load", "-i", str(archive))
    home = tmp_path_factory.mktemp("lines")
    engines = (
        Engine("docker", docker.command, dict(docker.environment), home / "docker"),
        Engine("lamina", (str(COMMAND), "--root", str(root)), {}, home / "lamina"),
    )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {
            line.name: [pool.submit(engine.run, line) for engine in engines] for line in LINES
        }
        found = {name: (one.result(), other.result()) for name, (one, other) in waiting.items()}
    return engines, found


def _namespaces() -> dict[str, str]:
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}


_REFUSED = {1, 2, 125, 126, 127}
"""With these the engine itself may have something to say, in words of its own."""


def _compared(
    line: Line, docker: Outcome, lamina: Outcome, places: tuple[str, str]
) -> list[tuple[str, str, str]]:
    """What differs: what, with docker, with lamina."""
    found = [("status", str(docker.status), str(lamina.status))]
    refused = docker.status in _REFUSED and not docker.out
    if refused:
        found.append(("says why", str(bool(docker.error)), str(bool(lamina.error))))
    else:
        errors = (_told(docker.error, places[0]), _told(lamina.error, places[1]))
        found.append(("stderr", *errors))
    if line.probe:
        own = _namespaces()
        found += differences(facts(docker.out, own, places[0]), facts(lamina.out, own, places[1]))
    else:
        found.append(("stdout", _told(docker.out, places[0]), _told(lamina.out, places[1])))
    return [each for each in found if each[1] != each[2]]


def _holds_every_capability() -> bool:
    # Docker asks for all of them, also for those that a virtual machine's root may not have.
    return syscall.capget() == capability.mask(capability.ALL)


def _told(text: str, place: str) -> str:
    text = re.sub(r"\b[0-9a-f]{64}\b", "<id>", text.replace(place, "{host}"))
    return re.sub(r"[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d", "<time>", text)


@pytest.mark.timeout(300)
def test_lamina_does_what_docker_does(
    outcomes: tuple[tuple[Engine, Engine], dict[str, tuple[Outcome, Outcome]]],
) -> None:
    engines, found = outcomes
    unused = set(ACCEPTED)
    told = []
    for line in LINES:
        if line.every_capability and not _holds_every_capability():
            continue
        places = (engines[0].place(line), engines[1].place(line))
        for what, docker, lamina in _compared(line, *found[line.name], places):
            covering = [each for each in ACCEPTED if each.covers(line.name, what, docker, lamina)]
            unused.difference_update(covering)
            if not covering:
                told.append(f"{line.name} | {what}\n  docker: {docker}\n  lamina: {lamina}")
    told += [f"no longer so: {each}" for each in ACCEPTED if each in unused]
    assert not told, "\n".join([f"{len(told)} differences", *told])


def test_there_are_enough_lines() -> None:
    assert len({line.name for line in LINES}) == len(LINES) >= 60
