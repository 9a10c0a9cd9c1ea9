"""A new container: its record, its directories, and all that was decided of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from lamina.lifecycle.random_names import random_name
from lamina.oci.digest import Digest
from lamina.run.request import RunRequest, process
from lamina.run.settings import Settings, health_of, to_json
from lamina.run.spec import Mount
from lamina.run.volumes import declared, mounts_of, remove_anonymous
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Image, Store
from lamina.store.volumes import DirVolumes


class Naming(msgspec.Struct, frozen=True):
    """What a new container is called; random parts are chosen by the command line."""

    identity: str
    """64 hexadecimal digits."""
    name: str
    image: str
    """The image as the user named it."""


def free_name(store: Store) -> str:
    """A random name that no container has; `create` has the last word on it."""
    taken = {record.name for record in store.containers.records()}
    while (name := random_name()) in taken:
        pass
    return name


def resolved(
    store: Store,
    image: Image,
    request: RunRequest,
    *,
    identity: str,
    hostname: str,
    now: str,
    inherited: Sequence[Mount] = (),
    make: bool = True,
) -> Settings:
    """What follows from an image and what is asked of a container of it, all else as it is by
    default.

    Its volumes and the missing directories of `-v` are made, unless nothing is to be
    (`make`).  `inherited` are the mounts of other containers.  Raises NoCommand, NoSuchSource.
    """
    execution = image.config.execution
    return Settings(
        process=process(execution, request, hostname=hostname),
        hostname=hostname,
        mounts=mounts_of(
            declared(request.mounts, execution.volumes or (), inherited),
            store.root / "volumes",
            identity,
            now=now,
            inherited=inherited,
            make=make,
        ),
        stop_signal=execution.stop_signal,
        stop_timeout=execution.stop_timeout,
        health=health_of(execution.healthcheck),
        exposed=tuple(sorted(execution.exposed_ports or ())),
    )


def create(
    store: Store,
    image: Image,
    settings: Settings,
    naming: Naming,
    now: str,
    *,
    labels: dict[str, str],
    over: tuple[Digest, ...] = (),
) -> ContainerRecord:
    """Make the record and the directories of a container that does not run yet.

    The layers `over` lie on top of the image's own.  A lease keeps gc off the layers
    until the record does.  Raises NameTaken; then nothing is left.
    """
    with ExitStack() as stack, store.leases.hold() as lease:
        lease.protect(image.config.digest, image.manifest.digest, *image.layers, *over)
        record = ContainerRecord(
            id=naming.identity,
            name=naming.name,
            image=naming.image,
            image_id=image.config.digest,
            layers=(*image.layers, *over),
            created=now,
            command=settings.process.args,
            labels={**image.config.labels, **labels},
            settings=to_json(settings),
        )
        try:
            if settings.namespaces.user == "private":
                from lamina.lifecycle.user_namespace import with_ids

                settings = stack.enter_context(with_ids(store, settings, naming.identity))
                record = msgspec.structs.replace(record, settings=to_json(settings))
            store.containers.create(record)
        except BaseException:
            remove_anonymous(store.root / "volumes", record)
            raise
        # A volume that was pruned before the record told of it is made again.
        DirVolumes(store.root).remake(record)
        return record
