"""Containers for programs: run to their end, or left running and looked after."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from lamina.errors import Unsupported
from lamina.lifecycle.create import Naming, create, free_name, resolved
from lamina.lifecycle.exec import Request, execute
from lamina.lifecycle.finish import put_in_order
from lamina.lifecycle.here import run_here
from lamina.lifecycle.naming import check_name
from lamina.lifecycle.remove import remove
from lamina.lifecycle.start import Begun, start
from lamina.lifecycle.stop import kill, signal_number, stop, wait
from lamina.network.parse import parse_publish
from lamina.network.request import NetworkRequest
from lamina.run.logs import FILE, Log
from lamina.run.mount_request import parse_volume
from lamina.run.request import RunRequest
from lamina.run.settings import Settings
from lamina.run.spec import Streams
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.store.tell import tell_container


class Finished(msgspec.Struct, frozen=True):
    """A program that has run in a container."""

    status: int
    """Its exit status, 128 + n when signal n ended it."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """What it printed, without the newline at its end."""
        return self.stdout.decode("utf-8", "replace").removesuffix("\n")


class Container:
    """A container of the store, whatever its state."""

    def __init__(self, store: Store, record: ContainerRecord) -> None:
        self._store = store
        self._record = record

    def __repr__(self) -> str:
        return f"<Container {self.name} of {self._record.image}>"

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self._record.id

    @property
    def name(self) -> str:
        """As it was called when this was made."""
        return self._record.name

    @property
    def image(self) -> str:
        """As it was named."""
        return self._record.image

    @property
    def state(self) -> str:
        """created, running, paused, restarting or exited: now.  Raises ContainerNotFound."""
        return self._now().status

    @property
    def pid(self) -> int:
        """Of its first process, on this host; 0 when there is none."""
        return self._now().pid

    def start(self) -> None:
        """Let it run, for the first time or again.  Raises AlreadyRunning and what is in the
        way; Unsupported when its program cannot be executed."""
        _checked(start(self._store, self._now()))

    def wait(self) -> int:
        """Its exit status when it has ended, now or later."""
        return wait(self._store, self._now())

    def stop(self, timeout: int | None = None) -> None:
        """Ask it to end, and kill it after so many seconds (10, or what it was given)."""
        stop(self._store, self._now(), _timestamp, timeout=timeout)

    def kill(self, signal: int | str = "KILL") -> None:
        """Send its first process a signal.  Raises NotRunning, BadSignal."""
        kill(self._store, self._now(), signal_number(str(signal)), _timestamp)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it, with `force` also when it runs, with `volumes` those without a name too.

        Raises StillRunning.
        """
        remove(self._store, self._now(), _timestamp, force=force, volumes=volumes)

    def run(
        self,
        *command: str,
        stdin: bytes = b"",
        user: str = "",
        workdir: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Finished:
        """Another program in it, to its end (`lamina exec`).  Raises NotRunning, IsPaused."""
        request = Request(
            command, env=_lines(environment), cwd=workdir, user=user, stdin=bool(stdin)
        )
        with _Captured(stdin) as captured:
            outcome = execute(self._store, self._now(), request, captured.streams, _timestamp)
            if outcome.refused:
                raise Unsupported(outcome.refused)
            return captured.finished(outcome.status)

    def logs(self) -> bytes:
        """What it printed and its log still has."""
        with Log(self._store.containers.directory(self.id) / FILE) as log:
            return "".join(line.log for line in log.lines()).encode()

    def _now(self) -> ContainerRecord:
        return self._store.containers.find(self.id)


def containers(store: Store) -> list[Container]:
    """Every container, the oldest first."""
    put_in_order(store, _timestamp)
    return [Container(store, record) for record in store.containers]


def started(
    store: Store,
    image: str,
    command: Sequence[str],
    *,
    name: str = "",
    network: str = "",
    ports: Sequence[str] = (),
    volumes: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    user: str = "",
    workdir: str = "",
    labels: Mapping[str, str] | None = None,
) -> Container:
    """A new container that runs, and goes on when this program has ended."""
    request = _request(command, volumes, environment, user, workdir)
    asked = _network(network, ports)
    record, settings = _created(store, image, request, asked, name=name, labels=labels)
    _checked(start(store, record, settings=settings))
    return Container(store, store.containers.find(record.id))


def finished(
    store: Store,
    image: str,
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    network: str = "",
    volumes: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    user: str = "",
    workdir: str = "",
) -> Finished:
    """What came of a program in a new container, which is gone by then."""
    request = _request(command, volumes, environment, user, workdir)
    asked = _network(network, ())
    record, settings = _created(store, image, request, asked, stdin=bool(stdin), remove=True)
    with _Captured(stdin) as captured:
        status = run_here(store, record, settings, captured.streams, stdin=bool(stdin))
        return captured.finished(status)


def _created(
    store: Store,
    name_of_image: str,
    request: RunRequest,
    network: NetworkRequest,
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    stdin: bool = False,
    remove: bool = False,
) -> tuple[ContainerRecord, Settings]:
    put_in_order(store, _timestamp)
    image = store.images.find(name_of_image)
    chosen = check_name(name) if name else free_name(store)
    naming = Naming(os.urandom(32).hex(), chosen, name_of_image)
    now = _timestamp()
    hostname = naming.identity[:12] if network.mode != "host" else os.uname().nodename
    settings: Settings = msgspec.structs.replace(
        resolved(store, image, request, identity=naming.identity, hostname=hostname, now=now),
        network=network,
        stdin=stdin,
        stdin_once=stdin,
        remove=remove,
    )
    record = create(store, image, settings, naming, now, labels=dict(labels or {}))
    tell_container(store, record, "create", now)
    return record, settings


def _request(
    command: Sequence[str],
    volumes: Sequence[str],
    environment: Mapping[str, str] | None,
    user: str,
    workdir: str,
) -> RunRequest:
    return RunRequest(
        command=tuple(command),
        env=_lines(environment),
        user=user,
        workdir=workdir,
        mounts=tuple(map(parse_volume, volumes)),
    )


def _network(mode: str, ports: Sequence[str]) -> NetworkRequest:
    bindings = tuple(binding for text in ports for binding in parse_publish(text))
    return NetworkRequest(mode=mode, publish=bindings)


def _lines(environment: Mapping[str, str] | None) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in (environment or {}).items())


def _checked(begun: Begun) -> None:
    if begun.refused:
        raise Unsupported(begun.refused)


class _Captured:
    """Streams in memory, for the length of a block."""

    def __init__(self, stdin: bytes) -> None:
        self._fds = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        with open(self._fds[0], "wb", closefd=False) as stream:
            stream.write(stdin)
        os.lseek(self._fds[0], 0, os.SEEK_SET)
        self.streams = Streams(*self._fds)

    def __enter__(self) -> _Captured:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds:
            os.close(fd)

    def finished(self, status: int) -> Finished:
        return Finished(status, self._text(1), self._text(2))

    def _text(self, number: int) -> bytes:
        fd = self._fds[number]
        return os.pread(fd, os.fstat(fd).st_size, 0)


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
