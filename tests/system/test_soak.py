"""Many containers at once, some of them killed: afterwards the machine is as before.

`LAMINA_SOAK=500` runs as many.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.engine import open_engine
from lamina.store.container_contract import ContainerRecord
from lamina.store.errors import ContainerNotFound
from tests.rights import AS_USER
from tests.system.conftest import COMMAND, Lamina, free_port
from tests.system.containers import needs_busybox
from tests.system.machine import Machine, left, machine

pytestmark = [
    needs_busybox,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("root_only"),
]
COUNT = int(os.environ.get("LAMINA_SOAK", "60"))
AT_ONCE = 20
_SEED = 7


class Soak:
    """Runs containers of one store, each in its own way."""

    def __init__(self, root: Path, enter: Sequence[str]) -> None:
        self.root = root
        self.store = open_engine(root).store
        self.random = random.Random(_SEED)
        self.enter = enter

    def command(self, *args: str) -> list[str]:
        return [*self.enter, str(COMMAND), "--root", str(self.root), *args]

    def lamina(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*args),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{args}: {done.returncode} {done.stderr}"
        return done

    def machine(self) -> Machine:
        ids = {event.id for event in self.store.events.read() if event.kind == "container"}
        return machine(self.root, ids, self.enter)

    def one(self, number: int, way: str) -> None:
        """Run container `number` the way that is named, to whatever end."""
        getattr(self, f"_{way}")(f"soak-{number}")

    def _run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.lamina("run", *args, check=False)

    def _foreground(self, name: str) -> None:
        done = self._run("--rm", "--name", name, "--network", "none", "busybox", "echo", name)
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr

    def _kept(self, name: str) -> None:
        assert self._run("--name", name, "busybox", "sh", "-c", "exit 3").returncode == 3
        assert self.record(name).exit_status == 3
        self.lamina("rm", "-v", name)

    def _detached(self, name: str) -> None:
        self.lamina("run", "-d", "--rm", "--name", name, "busybox", "sleep", "0.3")
        self.await_gone(name)

    def _stopped(self, name: str) -> None:
        script = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
        self.lamina("run", "-d", "--name", name, "-v", "/data", "busybox", "sh", "-c", script)
        self.lamina("stop", name)
        self.lamina("rm", "-v", name)

    def _port(self, name: str) -> None:
        port = f"127.0.0.1:{free_port()}:80"
        args = ("-d", "--rm", "--name", name, "-p", port, "--memory", "64m")
        done = self._run(*args, "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
        if done.returncode != 0:
            assert "port is already allocated" in done.stderr, done.stderr
            return  # two asked for one free port: that is the machine's, not ours
        fetched = self.lamina("exec", name, "wget", "-qO-", "http://127.0.0.1/hostname")
        assert fetched.stdout.strip() == self.record(name).id[:12]
        self.lamina("rm", "-f", name)

    def _container_killed(self, name: str) -> None:
        self.lamina("run", "-d", "--name", name, "busybox", "sleep", "600")
        os.kill(self.record(name).pid, signal.SIGKILL)
        assert self.lamina("wait", name).stdout == "137\n"
        self.lamina("rm", name)

    def _watcher_killed(self, name: str) -> None:
        self.lamina("run", "-d", "--name", name, "--memory", "64m", "busybox", "sleep", "600")
        record = self.record(name)
        os.kill(record.watcher, signal.SIGKILL)
        await_true(lambda: not Path(f"/proc/{record.pid}").exists())
        line = self.lamina("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}").stdout
        assert line.startswith("Exited"), line
        self.lamina("rm", "-v", name)

    def _command_killed(self, name: str) -> None:
        process = subprocess.Popen(
            self.command("run", "--rm", "--name", name, "busybox", "sleep", "600"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        time.sleep(self.random.uniform(0, 0.6))
        process.kill()
        process.wait()
        self.lamina("rm", "-f", name, check=False)

    def record(self, name: str) -> ContainerRecord:
        return self.store.containers.find(name)

    def await_gone(self, name: str) -> None:
        def is_gone() -> bool:
            try:
                self.record(name)
            except ContainerNotFound:
                return True
            return False

        await_true(is_gone)


def await_true(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.02)  # the end of a process that is not our child


WAYS = (
    *("foreground", "kept", "detached", "detached", "stopped", "port", "port"),
    *("container_killed", "watcher_killed", "command_killed"),
)


@pytest.fixture
def network() -> Iterator[tuple[str, ...]]:
    """The words before a command that is to run in a network of its own."""
    if AS_USER:
        yield ()  # its containers have no network of the host's
        return
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 3600"],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"ready\n"
        yield "nsenter", f"--net=/proc/{holder.pid}/ns/net"
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_the_machine_is_as_before(busybox_store: Lamina, network: tuple[str, ...]) -> None:
    soak = Soak(busybox_store.root, network)
    # What is made once for good, and not for a container, is there before as well.
    soak.lamina("run", "--rm", "-p", f"127.0.0.1:{free_port()}:80", "busybox", "true")
    before = soak.machine()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [
            pool.submit(soak.one, number, WAYS[number % len(WAYS)]) for number in range(COUNT)
        ]
        failed = [error for each in waiting if (error := each.exception()) is not None]
    soak.lamina("ps", "-a")  # whoever looks puts in order what was killed
    after = soak.machine()
    deadline = time.monotonic() + 20
    while left(before, after) and time.monotonic() < deadline:
        time.sleep(0.1)  # watchers whose container was removed are about to end
        after = soak.machine()
    assert not failed, "\n".join([f"{len(failed)} of {COUNT}", *map(repr, failed[:10])])
    assert (left(before, after), left(after, before)) == ({}, {})
    assert soak.lamina("ps", "-aq").stdout == ""
