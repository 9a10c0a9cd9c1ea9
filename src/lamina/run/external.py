"""Containers that another runtime makes: runc, crun, or any program that takes bundles.

The promises are those of `launch.start`.  The root file system is mounted in a
mount namespace that only the runtime and the container are in, so it goes away
with them.  The container's first process becomes a child of ours when the
runtime's `create` has ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import msgspec

from lamina.errors import NotFound, Unsupported
from lamina.linux import cgroup
from lamina.linux.adoption import adopting
from lamina.linux.console import ConsoleSocket
from lamina.linux.pidns import fork_quietly
from lamina.run import become, external_bundle, launch
from lamina.run.orders import Orders
from lamina.run.running import begin
from lamina.run.spec import ContainerSpec, Streams

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""All that a runtime is told of our environment."""
_INIT_FD, _HIGH = 3, 16
_CONSOLE, _PID, _LOG = "console", "pid", "log"


class NoRuntime(NotFound):
    """There is no such program."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"unknown or invalid runtime name: {name}",
            hint="the path of a program, or the name of one that is installed: apt install runc",
        )


class RuntimeRefused(Unsupported):
    """The runtime did not make or start the container."""

    def __init__(self, program: str, message: str) -> None:
        super().__init__(f"{os.path.basename(program)} did not start the container: {message}")


def find_runtime(name: str, path: str) -> str:
    """The absolute path of a runtime given by name (looked up in `path`) or path.

    Raises NoRuntime.
    """
    wide = f"{path}:{_ENVIRONMENT['PATH']}"  # runtimes are in sbin, which users seldom have
    found = shutil.which(name, path=wide)
    if not name or found is None:
        raise NoRuntime(name)
    return os.path.abspath(found)


def start_external(spec: ContainerSpec, streams: Streams, runtime: str) -> launch.Running:
    """`launch.start` by the program `runtime` (absolute).

    `remove_external` is to follow when the container has ended.  Raises EngineError when no
    container could be made: then nothing is left of it.
    """
    if os.geteuid() != 0:
        raise launch.NotRoot
    if not os.access(runtime, os.X_OK):
        raise NoRuntime(runtime)
    remove_external(spec.directory, spec.identity, runtime)
    spec, steps, granted = launch.foresee(spec)
    launch.write_own_files(spec)
    orders = Orders(spec, steps, granted, b"", -1, -1, streams)
    directory = external_bundle.bundle_of(spec)
    directory.mkdir(mode=0o700)
    try:
        with ExitStack() as stack:
            console = None
            if spec.process.terminal:
                console = _console(stack, directory)
            return _start(orders, runtime, console)
    except BaseException:
        remove_external(spec.directory, spec.identity, runtime)
        raise


def _console(stack: ExitStack, directory: Path) -> ConsoleSocket:
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, place)
    console = ConsoleSocket(place, _CONSOLE)
    stack.callback(console.close)
    return console


def _start(orders: Orders, runtime: str, console: ConsoleSocket | None) -> launch.Running:
    spec = orders.spec
    directory = external_bundle.bundle_of(spec)
    with adopting():
        refused = _create(orders, runtime)
    if refused is not None:
        remove_external(spec.directory, spec.identity, runtime)
        return refused
    running = launch.Running(int((directory / _PID).read_text()))
    try:
        if console is not None:
            running.terminal = console.take()
            if running.terminal < 0:
                raise RuntimeRefused(runtime, "it sent no terminal")
        done = _call(spec.directory, runtime, "start", spec.identity)
        if done is not None:
            raise RuntimeRefused(runtime, done)
    except BaseException:
        running.kill()
        running.wait()
        if running.terminal >= 0:
            os.close(running.terminal)
        raise
    return running


def remove_external(directory: Path, identity: str, runtime: str) -> None:
    """Take away what a runtime keeps of a container that has ended, or should have.

    `directory` is the container's.  Does nothing where there is nothing.
    """
    state = _state(directory)
    if state.is_dir():
        if os.access(runtime, os.X_OK):
            _call(directory, runtime, "delete", "--force", identity)
        shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(directory / "bundle", ignore_errors=True)


def _state(directory: Path) -> Path:
    return directory / "runtime"


def _call(directory: Path, runtime: str, *args: str) -> str | None:
    """Give the runtime an order; what it says when it fails, None when it did it."""
    import subprocess

    done = subprocess.run(
        [runtime, "--root", str(_state(directory)), *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
        check=False,
    )
    return None if done.returncode == 0 else _last_line(done.stderr)


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it does not say why"


# create


def _create(orders: Orders, runtime: str) -> launch.Running | None:
    """None when the container is created; otherwise why its program is not executed."""
    child = begin(
        lambda writer: _fork(orders, runtime, writer), orders.spec.process.args[0], launch.Running
    )
    try:
        status = child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    if child.refused:
        return child
    if status != 0:
        raise RuntimeRefused(runtime, _logged(external_bundle.bundle_of(orders.spec) / _LOG))
    return None


class _Entry(msgspec.Struct):
    level: str = ""
    msg: str = ""


def _logged(path: Path) -> str:
    """The last error in a runtime's log (one JSON object a line)."""
    message = ""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            entry = msgspec.json.decode(line, type=_Entry)
        except msgspec.DecodeError:
            continue
        if entry.level in {"error", "fatal"}:
            message = entry.msg
    return message or "it does not say why"


def _fork(orders: Orders, runtime: str, status: int) -> int:
    orders = msgspec.structs.replace(orders, status=status)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, become.SIGNALS)
    try:
        pid = fork_quietly()  # what follows needs none of the locks of other threads
        if pid == 0:
            _become_runtime(orders, runtime)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def _become_runtime(orders: Orders, runtime: str) -> NoReturn:
    progress = become.Progress(orders.status)
    try:
        become.be_alone(orders.status)
        # Out of the way of descriptor 3, by which an init is told (container_init.py).
        progress.status = fcntl.fcntl(progress.status, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        progress.doing = "make the bundle"
        _prepare(orders)
        progress.doing = f"execute {runtime}"
        os.execve(runtime, [runtime, *_arguments(orders.spec)], _ENVIRONMENT)  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of our parent
        progress.fail(error)
    finally:
        os._exit(125)


def _prepare(orders: Orders) -> None:
    streams = _three(orders.streams)
    if (ids := orders.spec.ids) is not None:
        become.hand_over(streams, *ids.root)
        # crun gives its streams to root of the container, whatever they are.
        streams = [os.memfd_create("null") if become.is_null(fd) else fd for fd in streams]
    external_bundle.private_mounts()
    document = external_bundle.prepare(orders, _cgroups_path(orders.spec))
    directory = external_bundle.bundle_of(orders.spec)
    external_bundle.write(document, directory)
    os.chdir(directory)
    for place, fd in enumerate([os.dup(each) for each in streams]):
        os.dup2(fd, place)
    if orders.spec.init:
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), _INIT_FD)


def _three(streams: Streams) -> list[int]:
    return [streams.stdin, streams.stdout, streams.stderr]


def _cgroups_path(spec: ContainerSpec) -> str:
    """The path below each hierarchy: the container's groups have the same in all of them.

    With version 1 that is below the controller's directory, or what is mounted there.
    """
    for group in spec.cgroups:
        parts = group.relative_to(cgroup.ROOT).parts
        unified = os.path.exists(f"{cgroup.ROOT}/cgroup.controllers")
        return "/" + "/".join(parts if unified else parts[1:])
    return f"/lamina/{spec.identity}"


def _arguments(spec: ContainerSpec) -> list[str]:
    general = ["--root", str(_state(spec.directory)), "--log", _LOG, "--log-format", "json"]
    terminal = ["--console-socket", _CONSOLE] if spec.process.terminal else []
    kept = ["--preserve-fds", "1"] if spec.init else []
    bundle = str(external_bundle.bundle_of(spec))
    options = ["--bundle", bundle, "--pid-file", _PID, *terminal, *kept]
    return [*general, "create", *options, spec.identity]
