"""A network of its own for engines that make bridges and firewall rules: gone with its process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Engine, Failed
from bench.peers import ENVIRONMENT, daemon

ADDRESS = "10.77.0.1"
"""Of the host, as its neighbours see it: what comes to it passes the published ports' rules."""
_PREPARED = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "link", "add", "yard", "type", "bridge"),
    ("ip", "address", "add", f"{ADDRESS}/24", "dev", "yard"),
    ("ip", "link", "set", "yard", "up"),
)
_FETCH = """
import socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
buffer = memoryview(bytearray(1 << 20))
deadline = time.monotonic() + 10
while True:
    try:
        server = socket.create_connection((host, port), timeout=10)
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.01)
started = time.perf_counter()
server.sendall(b"GET /big HTTP/1.0\\r\\n\\r\\n")
total = 0
while count := server.recv_into(buffer):
    total += count
print(time.perf_counter() - started, total)
"""


@dataclass(frozen=True)
class Yard:
    """A network namespace."""

    enter: tuple[str, ...]
    """The words before a command that is to run in it."""

    def inside(self, engine: Engine) -> Engine:
        """The engine, its commands run in here, on the network that they choose themselves."""
        return replace(engine, prefix=(*self.enter, *engine.prefix), flags={})

    def fetch(self, port: str, *, address: str = ADDRESS) -> tuple[float, int]:
        """Seconds and bytes of `GET /big` at a port of the host."""
        command = [*self.enter, sys.executable, "-I", "-c", _FETCH, address, port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"port {port} of {address}: {done.stderr.strip()[-200:]}")
        seconds, total = done.stdout.split()
        return float(seconds), int(total)


@contextmanager
def yard() -> Iterator[Yard]:
    """Make the namespace; it and all interfaces and rules in it go at the end."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        enter = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
        for words in _PREPARED:
            subprocess.run([*enter, *words], check=True, env=ENVIRONMENT)
        yield Yard(enter)
    finally:
        holder.kill()
        holder.wait()


@contextmanager
def docker(place: Yard, disk: Path) -> Iterator[Engine | None]:
    """dockerd as it comes, with its bridge and its rules, in the yard; None without docker."""
    if not (shutil.which("docker") and shutil.which("dockerd", path=ENVIRONMENT["PATH"])):
        yield None
        return
    home = disk / "yard"
    home.mkdir()
    socket_path = home / "docker.sock"
    command = [
        *place.enter, "dockerd", "--storage-driver=overlay2",
        f"--data-root={home / 'data'}", f"--exec-root={home / 'exec'}",
        f"--host=unix://{socket_path}", f"--pidfile={home / 'pid'}",
    ]  # fmt: skip
    environment = {
        **ENVIRONMENT,
        "DOCKER_HOST": f"unix://{socket_path}",
        "DOCKER_CONFIG": str(home),
    }
    with daemon(command, socket_path, home / "log"):
        yield Engine("docker", (*place.enter, "docker"), environment, {})
