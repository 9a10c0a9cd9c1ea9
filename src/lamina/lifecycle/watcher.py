"""The process that makes a container, is its parent, and puts things in order at its end.

Forked from the command line, it starts the container; beside a detached one it
becomes `lamina.supervise` by exec, and at the end this program again.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from lamina.errors import EngineError
from lamina.lifecycle.begin import Refused, Started, begin, begin_first, finish_now, leave, task_of
from lamina.lifecycle.programs import program_arguments
from lamina.lifecycle.report import Report, tell
from lamina.linux import trampoline
from lamina.run.settings import Settings, settings_of
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.supervise import frames

_TASK_FD = 3
_HIGH = 16
"""Descriptors for the supervisor are kept from here on, out of the way of its task."""


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

    This process is apart already (lifecycle/apart.py).  `client` is the connection of the
    command line that started it.  Ends the process.
    """
    try:
        _first(store, record, settings, ready, client, foreground)
    except BaseException as error:  # noqa: BLE001 - it must not run on as a copy of the command line
        tell(ready, Report(kind="unsupported", message=f"cannot start a container: {error!r}"))
    finally:
        os._exit(1)


def load(*, network: bool) -> None:
    """Load what `watch` needs, as far as it is not needed at the end alone; with a `network`
    what makes one."""
    trampoline.descriptor()
    if network:
        import lamina.network.sandbox  # noqa: F401


def _first(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    ready: int,
    client: int,
    foreground: bool,
) -> None:
    try:
        begun = begin_first(store, record, settings)
    except EngineError as error:
        tell(ready, Report(kind=error.kind, message=str(error), hint=error.hint))
        os._exit(1)
    if isinstance(begun, Refused):
        tell(ready, Report(refused=begun.message, status=begun.status))
        os._exit(0)
    tell(ready, Report(pid=begun.running.pid, warnings=begun.made.warnings))
    _attend(store, record, settings, begun, client, foreground)


def _attend(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    begun: Started,
    client: int,
    foreground: bool,
    tries: int = 0,
) -> NoReturn:
    task = task_of(store, record, settings, begun, client=client, tries=tries)
    if not foreground:
        from lamina.lifecycle.doorway import note_doorway

        note_doorway(store, record.id)
        task["then"] = program_arguments("ended", str(store.root), record.id, str(tries))
        _become_supervisor(task, begun.made.lease)
    from lamina.supervise.watch import Watch

    watch = Watch(task)
    watch.run()
    if watch.restarting:
        watch.pause_before_restart()
    if not watch.restarting:
        leave(store, record.id, begun.held.close, watch)
        os._exit(0)
    watch.close()
    _again(store, record.id, tries + 1)


def _again(store: Store, identity: str, tries: int) -> NoReturn:
    """Start a container again by its policy, as a program of its own."""
    finish_now(store, identity, again=True)
    record = store.containers.find(identity)
    record = store.containers.update(identity, restarts=record.restarts + 1)
    settings = settings_of(record.name, record.settings)
    stopping = store.containers.directory(identity) / frames.STOPPING
    try:
        begun = None if stopping.exists() else begin(store, record, settings, again=True)
    except (EngineError, OSError) as error:
        store.containers.update(identity, error=str(error))
        begun = None
    if begun is None or isinstance(begun, Refused):
        finish_now(store, identity)
        os._exit(1)
    _attend(store, record, settings, begun, -1, False, tries)


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
    finish_now(store, identity)
    store.leases.protected()
    os._exit(0)
