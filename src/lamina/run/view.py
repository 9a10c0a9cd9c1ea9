"""A container's file system from outside: as its processes see it, or as it was left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lamina.errors import Conflict
from lamina.linux import mounts
from lamina.linux.processes import lives
from lamina.run.lowers import lowers
from lamina.run.settings import OlderContainer, settings_of
from lamina.run.spec import Ids, Mount
from lamina.run.volumed import root_with_volumes
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store


class NotRunningAnyMore(Conflict):
    """The container ended while we were about to look into it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} ended just now", hint="try again")


@contextmanager
def root_of(store: Store, record: ContainerRecord) -> Iterator[int]:
    """The root directory of a container, as a descriptor to resolve paths in (`linux.rooted`).

    Of a running one it is what its processes see, volumes and all; of another its
    layers and its changes, to read and to write.  Nothing is mounted anywhere for it.
    Raises NotRunningAnyMore.
    """
    if record.status in {"running", "paused"}:
        fd = _root_of_process(record)
    else:
        directory = store.containers.directory(record.id)
        _accept_unsynced(directory / "work")
        with lowers(store.layers, record.layers) as below:
            if binds := _binds(record):
                with root_with_volumes(directory, _top_first(below), binds) as root:
                    yield root
                return
            fd = mounts.open_overlay(
                str(directory / "merged"),
                _top_first(below) or [str(directory / "merged")],
                str(directory / "upper"),
                str(directory / "work"),
                flags=("nodev", "nosuid", "noexec"),
            )
    try:
        yield fd
    finally:
        os.close(fd)


def ids_of(record: ContainerRecord) -> Ids | None:
    """Whom owners stand for that `root_of` shows; None when they are as the container has them."""
    user = record.settings.get("namespaces", {}).get("user", "host")
    if user == "host" or record.status not in {"running", "paused"}:
        return None
    from lamina.linux import userns

    try:
        return Ids(userns.map_of(record.pid, "uid"), userns.map_of(record.pid, "gid"))
    except OSError:
        raise NotRunningAnyMore(record.name) from None


def _root_of_process(record: ContainerRecord) -> int:
    try:
        fd = os.open(f"/proc/{record.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise NotRunningAnyMore(record.name) from None
    # Between reading the record and opening the pid it may have been given to another.
    if not lives(record.pid, record.pid_started):
        os.close(fd)
        raise NotRunningAnyMore(record.name)
    return fd


def _binds(record: ContainerRecord) -> list[Mount]:
    try:
        settings = settings_of(record.name, record.settings)
    except OlderContainer:
        return []
    return [each for each in settings.mounts if each.kind == "bind"]


@contextmanager
def frozen_root_of(store: Store, record: ContainerRecord) -> Iterator[int]:
    """The image's layers with the container's changes over them, read-only, without volumes."""
    directory = store.containers.directory(record.id)
    # The empty directory is there because an overlay without an upper one needs two lowers.
    with lowers(store.layers, record.layers) as below:
        fd = mounts.open_overlay(
            str(directory / "merged"),
            [str(directory / "upper"), *_top_first(below), str(directory / "merged")],
            flags=("ro", "nodev", "nosuid", "noexec"),
        )
    try:
        yield fd
    finally:
        os.close(fd)


def _accept_unsynced(work: Path) -> None:
    """Let an upper directory be mounted again that was mounted `volatile`.

    The kernel leaves a mark against it, in case the machine went down in between; what
    was written may then be missing, and is all there is.
    """
    try:
        os.rmdir(work / "work" / "incompat" / "volatile")
    except FileNotFoundError:
        pass


def _top_first(below: Sequence[Path]) -> list[str]:
    return [str(each) for each in reversed(below)]
