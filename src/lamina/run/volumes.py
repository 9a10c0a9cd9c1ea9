"""Volumes and binds of a container: what was asked for, found or made on the host."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from lamina.errors import Invalid, NotFound
from lamina.linux.rooted import open_in
from lamina.run.mount_request import MountRequest
from lamina.run.settings import settings_of
from lamina.run.spec import Mount
from lamina.sha256 import sha256
from lamina.store.container_contract import ContainerRecord
from lamina.store.volumes import DirVolumes, Volume, VolumeInUse, VolumeNotFound


class NoSuchSource(NotFound):
    """The path of the host that is to be mounted is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"bind source path does not exist: {path}", hint="-v makes missing directories"
        )


class MountedTwice(Invalid):
    """Two mounts want the same place."""

    def __init__(self, target: str) -> None:
        super().__init__(f"Duplicate mount point: {target}")


def declared(
    requests: tuple[MountRequest, ...],
    volumes: Iterable[str],
    inherited: Iterable[Mount] = (),
) -> tuple[MountRequest, ...]:
    """`requests`, and a volume without a name for each path of `volumes` (the image's VOLUME)
    at which nothing else is mounted."""
    taken = {request.target for request in requests} | {mount.target for mount in inherited}
    paths = {os.path.normpath("/" + path.lstrip("/")) for path in volumes}
    return requests + tuple(MountRequest("volume", path) for path in sorted(paths - taken - {"/"}))


def inherited_mounts(record: ContainerRecord, *, read_only: bool) -> tuple[Mount, ...]:
    """What `--volumes-from` takes of a container: its binds and volumes, no tmpfs."""
    found = settings_of(record.name, record.settings).mounts
    return tuple(
        msgspec.structs.replace(mount, read_only=mount.read_only or read_only)
        for mount in found
        if mount.kind == "bind"
    )


def mounts_of(
    requests: tuple[MountRequest, ...],
    volumes: Path,
    identity: str,
    *,
    now: str = "",
    inherited: Iterable[Mount] = (),
    make: bool = True,
) -> tuple[Mount, ...]:
    """The mounts as `launch` takes them; volumes and missing `-v` directories are made, unless
    nothing is to be (`make`).

    `volumes` is the store's directory of them.  A volume without a name gets one that
    follows from the container's `identity`.  `inherited` are mounts of other containers;
    a request for the same place has precedence.  Raises NoSuchSource, MountedTwice.
    """
    targets: set[str] = set()
    for request in requests:
        if request.target in targets:
            raise MountedTwice(request.target)
        targets.add(request.target)
    store = DirVolumes(volumes.parent)
    others = {mount.target: mount for mount in inherited if mount.target not in targets}
    return (
        *others.values(),
        *(_mount(request, store, identity, now, make=make) for request in requests),
    )


def _mount(
    request: MountRequest, volumes: DirVolumes, identity: str, now: str, *, make: bool
) -> Mount:
    if request.kind == "tmpfs":
        return Mount("tmpfs", request.target, read_only=request.read_only, options=request.options)
    if request.kind == "volume":
        return _volume(request, volumes, identity, now, make=make)
    source = Path(os.path.abspath(request.source))
    if make and request.make_source and not source.exists():
        source.mkdir(parents=True, exist_ok=True)
    if not source.exists() and (make or not request.make_source):
        raise NoSuchSource(request.source)
    return Mount(
        "bind",
        request.target,
        source,
        request.read_only,
        propagation=request.propagation,
        recursive=request.recursive,
        read_only_below=request.read_only_below,
    )


def _volume(
    request: MountRequest, volumes: DirVolumes, identity: str, now: str, *, make: bool
) -> Mount:
    anonymous = not request.source
    name = request.source or sha256(f"{identity}{request.target}".encode()).hex()
    wanted = Volume(name, now, dict(request.labels), dict(request.driver_options), anonymous)
    made = volumes.make(wanted) if make else _as_it_is(volumes, wanted)
    mount = Mount(
        "bind",
        request.target,
        volumes.data(name),
        request.read_only,
        populate=request.copy and not request.subpath,
        volume=name,
        anonymous=anonymous,
        subpath=request.subpath,
    )
    return _with_driver(mount, made.options)


def _as_it_is(volumes: DirVolumes, wanted: Volume) -> Volume:
    try:
        return volumes.find(wanted.name)
    except VolumeNotFound:
        return wanted


def _with_driver(mount: Mount, options: dict[str, str]) -> Mount:
    match options.get("type", "none" if options else ""):
        case "tmpfs":
            chosen = ",".join(filter(None, (options.get("o", ""), _sized(options))))
            return Mount(
                "tmpfs",
                mount.target,
                read_only=mount.read_only,
                options=f"exec,suid,{chosen}",
                volume=mount.volume,
                anonymous=mount.anonymous,
            )
        case "none":
            read_only = mount.read_only or "ro" in options.get("o", "").split(",")
            source = Path(options["device"])
            return msgspec.structs.replace(mount, source=source, read_only=read_only)
        case _:
            return mount


def _sized(options: dict[str, str]) -> str:
    return f"size={options['size']}" if "size" in options else ""


def fill_from_image(root: int, target: str, source: str) -> None:
    """Copy what is at `target` below `root`, with its owner and mode, into the directory
    `source`, if that is empty."""
    if os.listdir(source):
        return
    try:
        image = open_in(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    from lamina.run.copy import copy_directory

    volume = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        copy_directory(image, volume, archive=True)
    finally:
        os.close(image)
        os.close(volume)


def remove_anonymous(volumes: Path, record: ContainerRecord) -> None:
    """Delete the volumes that were made for this container, unless another one has them, too.

    `volumes` is the store's directory of them; the container's record is gone already.
    """
    store = DirVolumes(volumes.parent)
    for mount in record.settings.get("mounts", ()):
        if mount.get("anonymous"):
            try:
                store.remove(mount["volume"])
            except (VolumeInUse, VolumeNotFound):
                pass
