"""Containers with a record: made of an image, run in the foreground, kept or removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from lamina.errors import EngineError
from lamina.linux.processes import started
from lamina.oci.digest import Digest
from lamina.run import relay, terminal
from lamina.run.launch import Running, start
from lamina.run.logs import FILE, LogWriter
from lamina.run.lowers import lowers
from lamina.run.request import RunRequest, check_hostname, process
from lamina.run.spec import ContainerSpec, Mount, Overlay, Streams
from lamina.run.volumes import declared, mounts_of, remove_anonymous
from lamina.store.contract import ContainerRecord, Image, Store
from lamina.store.errors import ContainerNotFound


class Naming(msgspec.Struct, frozen=True):
    """What a new container is called; random parts are chosen by the command line."""

    identity: str
    """64 hexadecimal digits."""
    name: str
    image: str
    """The image as the user named it."""


Clock = Callable[[], str]
"""The time, as RFC 3339."""


def create(
    store: Store,
    image: Image,
    request: RunRequest,
    naming: Naming,
    now: str,
    below: tuple[Path, ...],
    over: tuple[Digest, ...] = (),
) -> tuple[ContainerRecord, ContainerSpec]:
    """Make the record and the directories of a container that does not run yet.

    `below` are its lower directories, those of the image's layers and of the layers `over`
    them; a lease keeps gc off the image's layers until the
    record does.  Raises NameTaken, and what `process` and `mounts_of` raise: then
    nothing is left.
    """
    hostname = check_hostname(request.hostname) or naming.identity[:12]
    what = process(image.config.execution, request, hostname=hostname)
    mounts = mounts_of(
        declared(request.mounts, image.config.execution.volumes or ()),
        store.root / "volumes",
        naming.identity,
    )
    record = ContainerRecord(
        id=naming.identity,
        name=naming.name,
        image=naming.image,
        image_id=image.config.digest,
        layers=(*image.layers, *over),
        created=now,
        command=what.args,
        labels={**image.config.labels, **request.labels},
        settings=_settings(what.env, what.cwd, what.user, mounts, request, hostname),
    )
    directory = store.containers.create(record)
    spec = ContainerSpec(
        identity=naming.identity,
        directory=directory,
        rootfs=Overlay(below, directory / "upper", directory / "work", volatile=request.remove),
        process=what,
        hostname=hostname,
        network=request.network,
        mounts=mounts,
        read_only=request.read_only,
        capabilities_add=request.capabilities_add,
        capabilities_drop=request.capabilities_drop,
        privileged=request.privileged,
        extra_hosts=request.extra_hosts,
        labels=record.labels,
        seccomp=request.seccomp,
        no_new_privileges=request.no_new_privileges,
        cache=store.root / "cache",
    )
    return record, spec


def _settings(
    env: tuple[str, ...],
    cwd: str,
    user: str,
    mounts: tuple[Mount, ...],
    request: RunRequest,
    hostname: str,
) -> dict[str, Any]:
    return {
        "env": list(env),
        "workdir": cwd,
        "user": user,
        "hostname": hostname,
        "network": request.network,
        "terminal": request.terminal,
        "read_only": request.read_only,
        "privileged": request.privileged,
        "mounts": [
            {
                "kind": mount.kind,
                "source": str(mount.source or ""),
                "target": mount.target,
                "read_only": mount.read_only,
                "options": mount.options,
            }
            for mount in mounts
        ],
    }


def run(
    store: Store,
    image: Image,
    request: RunRequest,
    naming: Naming,
    *,
    now: Clock,
    streams: Streams,
    over: tuple[Digest, ...] = (),
) -> int:
    """Run a container of `image` in the foreground; returns its exit status.

    The layers `over` lie on top of the image's own, beneath what the container writes.
    `streams` are ours: they are carried to and from the container, which holds none
    of them.  The container is removed at its end when the request says so.
    Raises EngineError when it could not be started: its record then says why.
    """
    with store.leases.hold() as lease:
        # Held to the end: meanwhile no layer is unmounted or changes its form.
        lease.protect(image.config.digest, image.manifest.digest, *image.layers, *over)
        with lowers(store.layers, (*image.layers, *over)) as below:
            record, spec = create(store, image, request, naming, now(), below, over)
            return _run_to_its_end(store, record, spec, request, now, streams)


def _run_to_its_end(
    store: Store,
    record: ContainerRecord,
    spec: ContainerSpec,
    request: RunRequest,
    now: Clock,
    streams: Streams,
) -> int:
    try:
        status, refused = _run(store, spec, request, now, streams)
    except BaseException as error:
        if isinstance(error, EngineError):
            store.containers.update(record.id, exit_status=125, error=str(error), finished=now())
        else:
            store.containers.update(record.id, status="exited", exit_status=137, finished=now())
        if request.remove:
            _remove(store, record)
        raise
    try:
        if request.remove:
            _remove(store, record)
        else:
            store.containers.update(
                record.id, status="exited", exit_status=status, error=refused, finished=now(), pid=0
            )
    except ContainerNotFound:
        pass  # removed by force: that is why it ended
    return status


def _remove(store: Store, record: ContainerRecord) -> None:
    store.containers.remove(record.id)
    remove_anonymous(store.root / "volumes", record)


def _run(
    store: Store, spec: ContainerSpec, request: RunRequest, now: Clock, streams: Streams
) -> tuple[int, str]:
    log = LogWriter(spec.directory / FILE, now)
    with ExitStack() as stack:
        stack.callback(log.close)
        carried, outputs, given = _connect(request, streams)
        try:
            running = start(spec, carried)
        finally:
            for fd in {carried.stdin, carried.stdout, carried.stderr}:
                os.close(fd)
        stack.callback(_end, running)
        if running.terminal >= 0:
            outputs = [relay.Output(running.terminal, streams.stdout, "stdout", False)]
            if given is not None:
                given = relay.Input(streams.stdin, running.terminal, False)
        if running.refused:
            os.write(streams.stderr, f"lamina: {running.refused}\n".encode())
            return running.wait(), running.refused
        store.containers.update(
            spec.identity,
            status="running",
            pid=running.pid,
            pid_started=started(running.pid),
            started=now(),
        )
        stack.enter_context(terminal.forwarding(running.kill))
        if running.terminal >= 0:
            stack.enter_context(terminal.same_size(streams.stdout, running.terminal))
            if given is not None:
                stack.enter_context(terminal.raw(streams.stdin))
        relay.relay(running.pid, outputs, given, log.feed)
        return running.wait(), ""


def _connect(
    request: RunRequest, streams: Streams
) -> tuple[Streams, list[relay.Output], relay.Input | None]:
    """The container's ends of pipes, and what is to be carried through ours.

    Never our own descriptors: whoever holds a descriptor of a terminal or a file
    can open it again with other rights.
    """
    interactive = relay.Input(streams.stdin, -1, True) if request.interactive else None
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if request.terminal:
        return Streams(null, null, null), [], interactive
    stdin = null
    if interactive is not None:
        os.close(null)
        stdin, interactive.target = os.pipe()
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    outputs = [
        relay.Output(out_read, streams.stdout, "stdout"),
        relay.Output(error_read, streams.stderr, "stderr"),
    ]
    return Streams(stdin, out_write, error_write), outputs, interactive


def _end(running: Running) -> None:
    running.kill()
    running.wait()
    if running.terminal >= 0:
        os.close(running.terminal)
