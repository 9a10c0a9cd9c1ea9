"""The peers, each with a store of its own on the disk that is measured on."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from bench.measure import Engine, Failed, timed

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


def lamina(disk: Path) -> Engine:
    """This checkout's own command."""
    command = Path(sys.executable).parent / "lamina"
    prefix = (str(command), "--root", str(disk / "lamina"))
    return Engine("lamina", prefix, ENVIRONMENT, {"run": ("--network=host",)})


@contextmanager
def docker(disk: Path) -> Iterator[Engine | None]:
    """dockerd with its own data, socket and containerd; None when it is not installed.

    No bridge and no firewall rules: everything measured uses the host's network.
    """
    if not (shutil.which("docker") and shutil.which("dockerd", path=ENVIRONMENT["PATH"])):
        yield None
        return
    socket_path, home = disk / "docker.sock", disk / "docker-home"
    home.mkdir()
    command = [
        "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
        f"--data-root={disk / 'docker'}", f"--exec-root={disk / 'docker-exec'}",
        f"--host=unix://{socket_path}", f"--pidfile={disk / 'docker.pid'}",
        "--storage-driver=overlay2",
    ]  # fmt: skip
    environment = {
        **ENVIRONMENT,
        "DOCKER_HOST": f"unix://{socket_path}",
        "DOCKER_CONFIG": str(home),
        "DOCKER_BUILDKIT": "0",
    }
    flags = {"run": ("--network=host",), "build": ("--network=host",), "images": ()}
    with daemon(command, socket_path, disk / "docker.log"):
        yield Engine("docker", (_classic_client(),), environment, flags)


def _classic_client() -> str:
    """A docker client that still has the classic builder, if there are several."""
    places = [Path("/usr/bin/docker"), Path(shutil.which("docker") or "docker")]
    return str(next(place for place in places if place.exists()))


@contextmanager
def podman(disk: Path) -> Iterator[Engine | None]:
    """podman with its own storage, through runc as docker; None when it is not installed."""
    if not shutil.which("podman"):
        yield None
        return
    home = disk / "podman-home"
    home.mkdir()
    (home / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = []\n[engine]\nruntime = "runc"\n'
        'cgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
    )
    (home / "registries.conf").write_text('unqualified-search-registries = ["localhost"]\n')
    (home / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (home / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{disk / "podman"}"\n'
        f'runroot = "{disk / "podman-run"}"\n'
    )
    environment = {
        **ENVIRONMENT,
        "CONTAINERS_CONF": str(home / "containers.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf"),
        "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
        "TMPDIR": str(home),
    }
    plain = ("--tls-verify=false",)
    flags = {
        "pull": plain,
        "push": plain,
        "run": ("--network=host",),
        "build": ("--network=host",),
    }
    yield Engine("podman", ("podman",), environment, flags)


def umoci(layout: Path, disk: Path) -> dict[str, partial[float]]:
    """The trial of umoci: it unpacks the image of a layout, which it need not fetch."""
    return {"umoci": partial(_unpack, layout, disk / "umoci")} if shutil.which("umoci") else {}


def _unpack(layout: Path, bundle: Path) -> float:
    command = ["umoci", "unpack", "--image", f"{layout}:image", str(bundle)]
    try:
        return timed(command, ENVIRONMENT, "umoci unpack").seconds
    finally:
        shutil.rmtree(bundle, ignore_errors=True)


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """An empty registry, storing in `directory`; gives `127.0.0.1:PORT`."""
    directory.mkdir(parents=True)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = directory / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'data'}}}}}\n"
        f"http: {{addr: '{host}'}}\n"
    )
    with daemon(["docker-registry", "serve", str(config)], host, directory / "log"):
        yield host


@contextmanager
def buildkit(disk: Path, registry: str) -> Iterator[Path | None]:
    """buildkitd with its runc worker; gives its socket, or None when it is not installed.

    `registry` is one it may speak plain HTTP to.
    """
    if not (shutil.which("buildkitd") and shutil.which("buildctl")):
        yield None
        return
    socket_path = disk / "buildkit.sock"
    config = disk / "buildkitd.toml"
    config.write_text(f'[registry."{registry}"]\nhttp = true\n')
    command = ["buildkitd", f"--config={config}", f"--root={disk / 'buildkit'}"]
    command.append(f"--addr=unix://{socket_path}")
    with daemon(command, socket_path, disk / "buildkit.log"):
        yield socket_path


@contextmanager
def daemon(command: list[str], address: Path | str, log: Path) -> Iterator[None]:
    """Run a server until the block ends; entered once it listens on `address`."""
    with log.open("wb") as output:
        # A session of its own: Ctrl-C ends the bench, and the bench ends the server.
        process = subprocess.Popen(
            command, env=ENVIRONMENT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 30
        while not _listens(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{command[0]} does not start: {log.read_text()[-300:]}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(address: Path | str) -> bool:
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        if isinstance(address, Path):
            return probe.connect_ex(str(address)) == 0
        host, _, port = address.partition(":")
        return probe.connect_ex((host, int(port))) == 0
