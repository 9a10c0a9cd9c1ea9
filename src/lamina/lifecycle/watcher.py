"""The process that makes a container, is its parent, and puts things in order at its end.

Forked from the command line, it starts the container; beside a detached one it
becomes `lamina.supervise` by exec, and at the end this program again.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import fcntl
import gc
import marshal
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from lamina.errors import EngineError
from lamina.lifecycle.surroundings import Made, surroundings
from lamina.linux import trampoline
from lamina.linux.processes import boot, started
from lamina.run.launch import Running, start
from lamina.run.logs import FILE
from lamina.run.settings import Settings, settings_of
from lamina.run.spec import OWN_FILES, ContainerSpec, Streams
from lamina.run.specification import specification
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import END
from lamina.store.contract import Store
from lamina.store.tell import tell_container
from lamina.supervise import frames, sockets
from lamina.supervise.log import timestamp

if TYPE_CHECKING:
    from lamina.network.sandbox import Sandbox
    from lamina.supervise.watch import Watch

_TASK_FD = 3
_HIGH = 16
"""Descriptors for the supervisor are kept from here on, out of the way of its task."""
_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); \
from lamina.lifecycle.watcher import program; program(sys.argv[2:])"


class Report(msgspec.Struct, frozen=True):
    """What the watcher tells the command line about the start."""

    pid: int = 0
    refused: str = ""
    status: int = 0
    kind: str = ""
    """Of an error: one of errors.KINDS."""
    message: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()


class _Started(msgspec.Struct):
    running: Running
    made: Made
    stdin: int
    stdout: int
    stderr: int
    listener: int
    begun: float
    kept: ExitStack
    """The lease and whatever else lasts as long as this process."""


def watch(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    ready: int,
    *,
    client: int = -1,
    foreground: bool = False,
) -> NoReturn:
    """Be the watcher of a container that is to be started; `ready` takes the `Report`.

    `client` is the connection of the command line that started it.  Ends the process.
    """
    try:
        _be_alone({ready, client, trampoline.descriptor()})
        _first(store, record, settings, ready, client, foreground)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of the command line
        _tell(ready, Report(kind="unsupported", message=f"cannot start a container: {error!r}"))
    finally:
        os._exit(1)


def _be_alone(kept: set[int]) -> None:
    """Leave the session, the directory, the streams and descriptors of who forked us."""
    # Looking for garbage would write to, and so copy, every page that is shared with our parent.
    gc.disable()
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that the listing itself had


def _first(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    ready: int,
    client: int,
    foreground: bool,
) -> None:
    try:
        place = store.containers.directory(record.id)
        if record.started:
            (place / frames.STOPPING).unlink(missing_ok=True)
        begun = _start(store, record, settings, ready)
    except EngineError as error:
        _fail(store, record, settings, str(error))
        _tell(ready, Report(kind=error.kind, message=str(error), hint=error.hint))
        os._exit(1)
    except OSError as error:
        text = f"cannot start container {record.name}: {error.strerror or error}"
        text += f" ({error.filename})" if error.filename else ""
        _fail(store, record, settings, text)
        _tell(ready, Report(kind="unsupported", message=text))
        os._exit(1)
    if begun is None:
        os._exit(0)
    _attend(store, record, settings, begun, client, foreground)


def _fail(store: Store, record: ContainerRecord, settings: Settings, text: str) -> None:
    try:
        store.containers.update(record.id, exit_status=125, error=text)
        if settings.remove:
            _finish(store, record.id)
    except EngineError:
        pass


def _finish(
    store: Store,
    identity: str,
    *,
    again: bool = False,
    gone: Callable[[], None] | None = None,
) -> None:
    from lamina.lifecycle.finish import finish

    finish(store, identity, timestamp, again=again, gone=gone)


def _start(
    store: Store, record: ContainerRecord, settings: Settings, ready: int
) -> _Started | None:
    """Start the container and tell so; None when its program was refused."""
    place = store.containers.directory(record.id)
    if record.started:
        for name in (END, frames.HEALTH, *OWN_FILES):
            (place / name).unlink(missing_ok=True)
    with ExitStack() as stack:
        made = surroundings(store, record, settings, stack)
        spec = specification(record.id, place, settings, record.labels, made.around)
        ours, theirs = _streams(settings)
        listeners: list[int] = []

        def prepare() -> None:
            listeners.append(sockets.listen(str(place)))
            stack.callback(_unlisten, place, listeners[0])
            _load(store, record)

        try:
            running = _launch(spec, theirs, settings.runtime, prepare)
        finally:
            for fd in {theirs.stdin, theirs.stdout, theirs.stderr}:
                os.close(fd)
        if running.refused:
            store.containers.update(
                record.id, exit_status=running.wait(), error=running.refused, finished=timestamp()
            )
            if settings.remove:
                _finish(store, record.id)
            _tell(ready, Report(refused=running.refused, status=running.wait()))
            return None
        stack.callback(running.wait)
        stack.callback(running.kill)
        store.containers.update(
            record.id,
            status="running",
            pid=running.pid,
            pid_started=started(running.pid),
            watcher=os.getpid(),
            watcher_started=started(os.getpid()),
            boot=boot(),
            started=timestamp(),
            finished="",
            exit_status=0,
            out_of_memory=False,
            error="",
            groups=made.groups,
            stopped=record.stopped and ready < 0,
        )
        tell_container(store, record, "start", timestamp())
        if made.sandbox is not None:
            os.close(made.sandbox.namespace)  # it lives as long as the container
        _tell(ready, Report(pid=running.pid, warnings=made.warnings))
        return _Started(running, made, *ours, listeners[0], time.monotonic(), stack.pop_all())


def _unlisten(place: Path, listener: int) -> None:
    os.close(listener)
    (place / frames.SOCKET).unlink(missing_ok=True)


def _load(store: Store, record: ContainerRecord) -> None:
    """What is needed from the start on, and at the end: loaded while there is time."""
    import lamina.lifecycle.finish
    import lamina.supervise.watch  # noqa: F401

    boot()
    store.containers.written(record.id)  # the first record that is read takes longer


def _launch(
    spec: ContainerSpec, streams: Streams, runtime: str, meanwhile: Callable[[], None]
) -> Running:
    if not runtime:
        return start(spec, streams, meanwhile=meanwhile)
    from lamina.run.external import start_external

    meanwhile()
    return start_external(spec, streams, runtime)


def _streams(settings: Settings) -> tuple[tuple[int, int, int], Streams]:
    """Our ends and the container's ends of its streams: input, output, error."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if settings.process.terminal:
        return (-1, -1, -1), Streams(null, null, null)
    stdin, given = null, -1
    if settings.stdin:
        os.close(null)
        stdin, given = os.pipe()
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    return (given, out_read, error_read), Streams(stdin, out_write, error_write)


def _tell(ready: int, report: Report) -> None:
    if ready < 0:
        return
    try:
        os.write(ready, msgspec.json.encode(report))
        os.close(ready)
    except OSError:
        pass  # the command line has gone: the container goes on


def _attend(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    begun: _Started,
    client: int,
    foreground: bool,
    tries: int = 0,
) -> NoReturn:
    place = str(store.containers.directory(record.id))
    log = settings.log
    task: dict[str, Any] = {
        "directory": place,
        "pid": begun.running.pid,
        "terminal": begun.running.terminal,
        "stdin": begun.stdin,
        "stdout": begun.stdout,
        "stderr": begun.stderr,
        "socket": begun.listener,
        "client": client,
        "once": settings.stdin_once,
        "log": None if log.driver == "none" else (f"{place}/{FILE}", log.max_size, log.max_file),
        "health": _health(store, record, settings),
        "names": _names(begun.made.sandbox),
        "relay": _relay(begun.made.sandbox),
        "holders": begun.made.sandbox.holders if begun.made.sandbox else (),
        "policy": settings.restart.policy,
        "retries": settings.restart.retries,
        "restarts": record.restarts,
        "groups": begun.made.groups,
        "started": begun.begun,
        "tries": tries,
        "then": program_arguments("ended", str(store.root), record.id, str(tries)),
    }
    if not foreground:
        from lamina.lifecycle.doorway import note_doorway

        note_doorway(store, record.id)
        _become_supervisor(task, begun.made.lease)
    from lamina.supervise.watch import Watch

    watch = Watch(task)
    watch.run()
    if watch.restarting:
        watch.pause_before_restart()
    if not watch.restarting:
        _leave(store, record.id, begun.made.lease, watch)
    watch.close()
    _again(store, record.id, tries + 1)


def _leave(store: Store, identity: str, lease: int, watch: Watch) -> NoReturn:
    said = False

    def farewell() -> None:
        nonlocal said
        said = True
        # Whoever hears of the end may remove the image: the lease goes first.
        os.close(lease)
        store.leases.protected()
        watch.farewell()

    _finish(store, identity, gone=farewell)
    if not said:
        farewell()
    os._exit(0)


def _again(store: Store, identity: str, tries: int) -> NoReturn:
    """Start a container again by its policy, as a program of its own."""
    _finish(store, identity, again=True)
    record = store.containers.find(identity)
    record = store.containers.update(identity, restarts=record.restarts + 1)
    settings = settings_of(record.name, record.settings)
    stopping = store.containers.directory(identity) / frames.STOPPING
    try:
        begun = None if stopping.exists() else _start(store, record, settings, -1)
    except (EngineError, OSError) as error:
        store.containers.update(identity, error=str(error))
        begun = None
    if begun is None:
        _finish(store, identity)
        os._exit(1)
    _attend(store, record, settings, begun, -1, False, tries)


def _names(sandbox: Sandbox | None) -> dict[str, Any] | None:
    if sandbox is None or sandbox.names is None:
        return None
    return msgspec.structs.asdict(sandbox.names)


def _relay(sandbox: Sandbox | None) -> dict[str, Any] | None:
    if sandbox is None or sandbox.relay is None:
        return None
    return msgspec.structs.asdict(sandbox.relay)


def _health(store: Store, record: ContainerRecord, settings: Settings) -> dict[str, Any] | None:
    health = settings.health
    if not health.test or health.test[0] == "NONE":
        return None
    return {
        **msgspec.structs.asdict(health),
        "probe": program_arguments("check", str(store.root), record.id),
    }


def _become_supervisor(task: dict[str, Any], lease: int) -> NoReturn:
    """Exec the small program with what it needs of our descriptors, and nothing else."""
    for name in ("terminal", "stdin", "stdout", "stderr", "socket"):
        if task[name] >= 0:
            task[name] = fcntl.fcntl(task[name], fcntl.F_DUPFD, _HIGH)
    for holder in task["holders"]:
        fcntl.fcntl(holder, fcntl.F_DUPFD, _HIGH)
    if task["names"]:
        for name in ("udp", "tcp"):
            task["names"][name] = fcntl.fcntl(task["names"][name], fcntl.F_DUPFD, _HIGH)
    if task["relay"]:
        listeners = task["relay"]["listeners"]
        task["relay"]["listeners"] = [
            (fcntl.fcntl(fd, fcntl.F_DUPFD, _HIGH), port) for fd, port in listeners
        ]
    # A lease ends when its descriptor is closed: it lasts as long as the container.
    fcntl.fcntl(lease, fcntl.F_DUPFD, _HIGH)
    if task["client"] >= 0:
        os.close(task["client"])
        task["client"] = -1
    fd = os.memfd_create("task")
    os.write(fd, marshal.dumps(task))
    os.lseek(fd, 0, os.SEEK_SET)
    os.dup2(fd, _TASK_FD)
    import lamina.supervise

    place = os.path.dirname(os.path.abspath(str(lamina.supervise.__file__)))
    os.execv(sys.executable, [sys.executable, "-I", "-S", f"{place}/__main__.py"])  # noqa: S606


def program_arguments(*words: str) -> list[str]:
    """The command line that runs this module as a program, with the same modules in reach."""
    paths = msgspec.json.encode([path for path in sys.path if path]).decode()
    return [sys.executable, "-I", "-S", "-c", _BOOT, paths, *words]


def program(words: list[str]) -> NoReturn:
    """What the supervisor becomes (`ended ROOT ID TRIES STATUS`), and what it asks for health
    (`check ROOT ID`)."""
    from lamina.store.root import open_store

    match words:
        case ["ended", root, identity, tries, _]:
            os.closerange(3, 256)
            store = open_store(Path(root))
            _ended(store, identity, int(tries))
        case ["check", root, identity]:
            from lamina.lifecycle.check import check

            os._exit(check(open_store(Path(root)), identity))
    os._exit(2)


def _ended(store: Store, identity: str, tries: int) -> NoReturn:
    from lamina.store.containers import read_end

    end = read_end(store.containers.directory(identity))
    if end is not None and end.restarting:
        _again(store, identity, tries + 1)
    _finish(store, identity)
    store.leases.protected()
    os._exit(0)
