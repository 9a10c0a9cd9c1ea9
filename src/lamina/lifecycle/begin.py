"""A container begun: what it needs is made, its program runs, and its record says so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lamina.errors import EngineError, Unsupported
from lamina.lifecycle.programs import program_arguments
from lamina.lifecycle.surroundings import Made, surroundings
from lamina.linux.processes import boot, started
from lamina.run.launch import Running, start
from lamina.run.logs import FILE
from lamina.run.settings import Settings
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


class Started(msgspec.Struct):
    """A container that runs, and what this process holds of it."""

    running: Running
    made: Made
    stdin: int
    stdout: int
    stderr: int
    listener: int
    begun: float
    """Monotonic seconds."""
    held: ExitStack
    """The lease, and whatever else this process keeps as long as it runs."""


class Refused(msgspec.Struct, frozen=True):
    """Why its program could not be executed; the exit status is 126 or 127."""

    message: str
    status: int


def begin(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    *,
    again: bool = False,
    stays: bool = False,
) -> Started | Refused:
    """Start a container, whose watcher is this process.

    `again` is a start by its restart policy; a watcher that `stays` does not end with it.
    Raises EngineError and OSError when no container could be made; nothing stays then.
    """
    place = store.containers.directory(record.id)
    if record.started:
        # Somebody may want the end of one that is to be started again by now.
        asked = () if again else (frames.STOPPING,)
        for name in (END, frames.HEALTH, *asked, *OWN_FILES):
            (place / name).unlink(missing_ok=True)
    with ExitStack() as held, ExitStack() as stack:
        made = surroundings(store, record, settings, held, stack)
        spec = specification(record.id, place, settings, record.labels, made.around)
        ours, theirs = _streams(settings)
        stack.callback(_close, ours)
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
                finish_now(store, record.id)
            return Refused(running.refused, running.wait())
        stack.callback(running.wait)
        stack.callback(running.kill)
        _note(store, record, running, made, stopped=record.stopped and again, stays=stays)
        if made.sandbox is not None:
            os.close(made.sandbox.namespace)  # it lives as long as the container
        if made.user >= 0:
            os.close(made.user)
        stack.pop_all()
        return Started(running, made, *ours, listeners[0], time.monotonic(), held.pop_all())


def begin_first(
    store: Store, record: ContainerRecord, settings: Settings, *, stays: bool = False
) -> Started | Refused:
    """`begin` for whoever asked for it: a start that fails is noted, and raises EngineError."""
    try:
        return begin(store, record, settings, stays=stays)
    except EngineError as error:
        fail(store, record, settings, str(error))
        raise
    except OSError as error:
        text = f"cannot start container {record.name}: {error.strerror or error}"
        text += f" ({error.filename})" if error.filename else ""
        fail(store, record, settings, text)
        raise Unsupported(text) from None


def _note(
    store: Store,
    record: ContainerRecord,
    running: Running,
    made: Made,
    *,
    stopped: bool,
    stays: bool,
) -> None:
    """Say in the record that it runs, and tell of it."""
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
        stopped=stopped,
        watcher_stays=stays,
    )
    tell_container(store, record, "start", timestamp())


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)


def _unlisten(place: Path, listener: int) -> None:
    os.close(listener)
    (place / frames.SOCKET).unlink(missing_ok=True)


def _load(store: Store, record: ContainerRecord) -> None:
    """What is needed from the start on, and at the end: loaded while there is time."""
    import lamina.lifecycle.finish
    import lamina.supervise.watch  # noqa: F401

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


def fail(store: Store, record: ContainerRecord, settings: Settings, text: str) -> None:
    """Note that a start failed; a container that was to be removed at its end is."""
    try:
        store.containers.update(record.id, exit_status=125, error=text)
        if settings.remove:
            finish_now(store, record.id)
    except EngineError:
        pass


def finish_now(
    store: Store,
    identity: str,
    *,
    again: bool = False,
    gone: Callable[[], None] | None = None,
) -> None:
    """`finish`, loaded when it is needed."""
    from lamina.lifecycle.finish import finish

    finish(store, identity, timestamp, again=again, gone=gone)


def task_of(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    begun: Started,
    *,
    client: int,
    tries: int = 0,
) -> dict[str, Any]:
    """What `lamina.supervise.watch` is to do."""
    place = str(store.containers.directory(record.id))
    log = settings.log
    return {
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
    }


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


def leave(store: Store, identity: str, let_go: Callable[[], object], watch: Watch) -> None:
    """Put a container that has ended in order, and tell everybody attached; `let_go` of its
    layers before, since whoever hears of the end may remove the image."""
    said = False

    def farewell() -> None:
        nonlocal said
        said = True
        try:
            let_go()
        finally:
            watch.farewell()

    try:
        finish_now(store, identity, gone=farewell)
    except Exception:  # noqa: BLE001, S110 - how it ended is in `exit`, the next look does the rest
        pass
    if not said:
        farewell()
