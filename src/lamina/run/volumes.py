"""Volumes: directories of the store that outlive containers, and what is mounted from the host."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from lamina.errors import NotFound
from lamina.linux.rooted import open_in
from lamina.run.request import MountRequest
from lamina.run.spec import Mount
from lamina.sha256 import sha256
from lamina.store.contract import ContainerRecord

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class NoSuchSource(NotFound):
    """The path of the host that is to be mounted is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no {path} on this host to mount", hint="-v makes missing directories")


def declared(
    requests: tuple[MountRequest, ...], volumes: Iterable[str]
) -> tuple[MountRequest, ...]:
    """`requests`, and a volume without a name for each path of `volumes` (the image's VOLUME)
    at which nothing else is mounted."""
    taken = {request.target for request in requests}
    paths = [os.path.normpath("/" + path.lstrip("/")) for path in volumes]
    return requests + tuple(
        MountRequest("volume", path) for path in sorted(paths) if path not in taken | {"/"}
    )


def mounts_of(
    requests: tuple[MountRequest, ...], volumes: Path, identity: str
) -> tuple[Mount, ...]:
    """The mounts as `launch` takes them; named volumes and missing `-v` directories are made.

    A volume without a name gets one that follows from the container's `identity`.
    Raises NoSuchSource.
    """
    return tuple(_mount(request, volumes, identity) for request in requests)


def _mount(request: MountRequest, volumes: Path, identity: str) -> Mount:
    if request.kind == "tmpfs":
        return Mount("tmpfs", request.target, read_only=request.read_only, options=request.options)
    if request.kind == "volume":
        anonymous = sha256(f"{identity}{request.target}".encode()).hex()
        source = volumes / (request.source or anonymous)
        source.mkdir(parents=True, exist_ok=True)
        return Mount("bind", request.target, source, request.read_only, populate=True)
    source = Path(os.path.abspath(request.source))
    if request.make_source and not source.exists():
        source.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        raise NoSuchSource(request.source)
    return Mount("bind", request.target, source, request.read_only)


def fill_from_image(root: int, target: str, source: str) -> None:
    """Copy what is at `target` below `root` into the directory `source`, if that is empty."""
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
    """Delete the volumes that have no name but the one made for this container."""
    for mount in record.settings.get("mounts", ()):
        source = Path(mount["source"])
        if source.parent == volumes and _ANONYMOUS.fullmatch(source.name):
            import shutil  # brings every compressor with it

            shutil.rmtree(source, ignore_errors=True)
