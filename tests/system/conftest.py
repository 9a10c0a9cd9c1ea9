"""What every system test shares: a root to work as, a registry, base images, the command."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from lamina.base.archive import recipe_for
from lamina.base.bootstrap import distribution_rootfs
from lamina.base.busybox import busybox_rootfs, find_busybox
from lamina.errors import EngineError
from lamina.store.layers import DirLayers
from tests.rights import AS_USER, need_root
from tests.system import ready
from tests.system.leftovers import left_behind

CACHE = Path(__file__).parents[2] / ".cache"
"""Kept between runs; git ignores it."""
COMMAND = Path(sys.executable).parent / "lamina"


# Whoever starts the tests in the background lets them ignore Ctrl-C, and what they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Lamina:
    """The `lamina` command on a store of its own."""

    root: Path

    def __call__(
        self,
        *args: str,
        check: bool = True,
        stdin: str | None = None,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; when `check`, an exit status other than 0 fails the test with
        what the command printed."""
        command = [str(COMMAND), "--root", str(self.root), *args]
        given = None if stdin is None else stdin.encode()
        ran = ready.run(command, stdin=given, cwd=cwd, env=env)
        said = [io.TextIOWrapper(io.BytesIO(each)).read() for each in (ran.stdout, ran.stderr)]
        done = subprocess.CompletedProcess(command, ran.returncode, *said)
        if check and done.returncode != 0:
            told = f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
            pytest.fail(f"lamina {' '.join(args)}: {told}")
        return done


@dataclass(frozen=True)
class Registry:
    """A registry server on loopback, without TLS or login."""

    host: str
    """`127.0.0.1:PORT`."""
    storage: Path


@dataclass(frozen=True)
class Tool:
    """A program with the arguments that every call of it needs."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def __call__(self, *args: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self.command, *args],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment},
        )
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(self.command)} {' '.join(args)}: {done.stderr}")
        return done.stdout


def need_containers() -> None:
    """Skip, saying why, unless the command can run containers; what the test itself does takes
    no rights."""
    if AS_USER and not _namespaces():
        pytest.skip("this user may not make user namespaces (docs/rootless.md)")


@cache
def _namespaces() -> bool:
    tried = ["unshare", "--user", "--map-root-user", "true"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def need_tool(name: str, package: str) -> str:
    """The path of a program; skips, saying what to install, when it is missing."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"needs {name}: apt install {package}")
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_registry(directory: Path) -> Iterator[Registry]:
    """Debian's docker-registry, storing in `directory`, for the length of a block."""
    program = need_tool("docker-registry", "docker-registry")
    port = free_port()
    config = directory / "registry.yml"
    storage = directory / "storage"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (directory / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        _await_port(port, process, directory / "registry.log")
        yield Registry(f"127.0.0.1:{port}", storage)
    finally:
        process.terminate()
        process.wait()


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
                return
        except OSError:
            time.sleep(0.02)  # a server gives no other sign that it listens
    pytest.fail(f"the registry did not start: {log.read_text()[-500:]}")


@pytest.fixture(scope="session", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Asserts at the end that nothing on this machine is of the stores that tests made."""
    yield
    found = left_behind(tmp_path_factory.getbasetemp())
    assert not found, json.dumps(found, indent=1)


@pytest.fixture(scope="session")
def root_only() -> None:
    """Skips the test unless the command runs containers (see `need_containers`)."""
    need_containers()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A real registry, shared by a session: give repositories names of their own."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets every command have an interpreter of its own: forked ones share a seed for hashes,
    and what comes out of sets and dictionaries in any order would come out the same."""
    monkeypatch.setenv("LAMINA_TEST_STARTED", "1")


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Lamina]:
    """The command on an empty store; afterwards it has no container and no mount."""
    command = Lamina(tmp_path / "root")
    yield command
    emptied(command)


def emptied(lamina: Lamina) -> None:
    """Remove all containers of a store, and with them what the machine has of it; asserts
    that nobody uses its layers."""
    if any((lamina.root / "containers").glob("[0-9a-f]*")):  # noqa: SIM102 - a question each
        # Who looks puts in order what was killed; what runs has to be ended.  What a test
        # has damaged may be no more to be had: `nothing_left` has the last word.
        if ids := lamina("ps", "-aq", "--no-trunc", check=False).stdout.split():
            lamina("rm", "-f", "-v", *ids, check=False)
    unmounted(lamina.root)


def unmounted(root: Path) -> None:
    """Unmount the layers of a store, if there is one, and assert that nobody uses them.

    Who watched a container lets go of them a moment after its command line has ended.
    """
    if (root / "format").exists():
        layers = DirLayers(root)
        deadline = time.monotonic() + 10
        layers.sweep()
        while layers.mounted() and time.monotonic() < deadline:
            time.sleep(0.05)
            layers.sweep()
        assert layers.mounted() == []


@pytest.fixture(scope="session")
def busybox_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system of `lamina base busybox`, as a tar."""
    try:
        rootfs = busybox_rootfs(find_busybox(environment=os.environ))
    except EngineError as error:
        pytest.skip(f"no busybox: {error}")
    path = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    path.write_bytes(b"".join(rootfs.chunks))
    return path


@pytest.fixture
def busybox_store(root_only: None, lamina: Lamina, busybox_tar: Path) -> Lamina:
    """The command on a store that has the image `busybox:latest`."""
    lamina("import", "--change", 'CMD ["/bin/sh"]', str(busybox_tar), "busybox:latest")
    return lamina


@pytest.fixture(scope="session")
def debian_tar() -> Path:
    """Debian bookworm (minbase) as a tar: made once, then kept in `.cache/`."""
    return _distribution_tar("debian", "bookworm")


@pytest.fixture
def debian_store(root_only: None, lamina: Lamina, debian_tar: Path) -> Lamina:
    """The command on a store that has the image `debian:bookworm`."""
    lamina("import", "--change", 'CMD ["bash"]', str(debian_tar), "debian:bookworm")
    return lamina


def _distribution_tar(name: str, suite: str) -> Path:
    path = CACHE / f"{name}-{suite}.tar"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    # Workers of one run share the file: the first makes it, the others wait for it.
    with (CACHE / f"{name}-{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        partial = path.with_suffix(".partial")
        try:
            with (
                distribution_rootfs(recipe_for(name, suite), environment=os.environ) as rootfs,
                partial.open("wb") as output,
            ):
                output.writelines(rootfs.chunks)
        except EngineError as error:
            partial.unlink(missing_ok=True)
            pytest.skip(f"cannot make {name}:{suite}: {error}")
        partial.rename(path)
    return path


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """Docker's client, with a daemon of its own for as long as tests run."""
    need_root("Docker's daemon")
    program = need_tool("docker", "docker.io")
    home = tmp_path_factory.mktemp("docker")
    command = [need_tool("dockerd", "docker.io"), "--iptables=false", "--bridge=none"]
    command += ["--storage-driver=vfs", "--data-root", f"{home}/data", "-p", f"{home}/pid"]
    command += ["--exec-root", f"{home}/run", "-H", f"unix://{home}/socket"]
    tool = Tool((program, "-H", f"unix://{home}/socket"), {"DOCKER_CONFIG": str(home)})
    with (home / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while not tool("version", "--format", "{{.Server.Version}}", check=False).strip():
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"dockerd does not start here: {(home / 'log').read_text()[-300:]}")
            time.sleep(0.1)  # a daemon gives no other sign that it is ready
        yield tool
    finally:
        daemon.terminate()
        daemon.wait()
        # It leaves the handle of the host's network mounted, and nothing can delete that.
        subprocess.run(["umount", f"{home}/run/netns/default"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)
