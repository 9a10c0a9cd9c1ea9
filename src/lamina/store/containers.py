"""Containers as directories: `containers/<id>/` with record, writable layer and log."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from lamina.errors import EngineError
from lamina.linux.processes import boot, lives
from lamina.oci.document import decode
from lamina.store.atomic import is_held, locked, replace_file, sweep_files
from lamina.store.container_contract import ContainerRecord, End
from lamina.store.errors import (
    AmbiguousName,
    ContainerNotFound,
    NameTaken,
    RecordDamaged,
    writing,
)
from lamina.store.sealed import check, seal_struct
from lamina.store.trash import delete_tree

RECORD = "record.json"
END = "exit"
LIVELY = ("running", "paused", "restarting")
"""What a record says of a container that was started and whose end is not in it yet."""
LOST = 255
"""Exit status of a container whose end nobody saw, as Docker gives it."""
_NEW = ".new-"
_GONE = ".gone-"
_ID = re.compile(r"[0-9a-f]{64}")


class DirContainers:
    """Implements `ContainerStore` (store/container_contract.py) on a directory.

    An flock on the directory serialises what decides about names; one on a
    container's own directory serialises changes of its record.
    """

    def __init__(self, directory: Path, *, proc: Path = Path("/proc")) -> None:
        self._directory = directory
        self._proc = proc

    def create(self, record: ContainerRecord) -> Path:
        target = self._directory / record.id
        with writing(self._directory), locked(self._directory):
            for other in self.records():
                if other.name == record.name or other.id == record.id:
                    raise NameTaken(record.name, other.id)
            self._sweep_trash()
            place = self._directory / (_NEW + record.id)
            place.mkdir(mode=0o700)
            try:
                (place / "upper").mkdir(mode=0o755)
                (place / "upper").chmod(0o755)  # whatever the umask: it is the container's /
                (place / "work").mkdir(mode=0o700)
                (place / "merged").mkdir(mode=0o755)
                # Not synced: a container that a power cut takes away had not ended yet,
                # and every `run` would wait for the disk four times.
                replace_file(place / RECORD, seal_struct(record), durable=False)
                place.rename(target)
            except BaseException:
                delete_tree(place)
                raise
        return target

    def written(self, identity: str) -> ContainerRecord:
        try:
            return read_record(self.directory(identity) / RECORD)
        except (FileNotFoundError, NotADirectoryError, RecordDamaged):
            raise ContainerNotFound(identity) from None

    def find(self, text: str) -> ContainerRecord:
        wanted = text.removeprefix("/")
        try:
            return self._effective(self.written(wanted))
        except ContainerNotFound:
            pass  # no whole id
        begun: list[ContainerRecord] = []
        for record in self.records():
            if wanted in (record.name, record.id):
                return self._effective(record)
            if wanted and record.id.startswith(wanted):
                begun.append(record)
        if len(begun) > 1:
            raise AmbiguousName(text, sorted(record.id[:12] for record in begun))
        if not begun:
            raise ContainerNotFound(text)
        return self._effective(begun[0])

    def update(self, identity: str, **changes: Any) -> ContainerRecord:
        place = self.directory(identity)
        with writing(place):
            try:
                with locked(place):
                    record = msgspec.structs.replace(read_record(place / RECORD), **changes)
                    replace_file(place / RECORD, seal_struct(record), durable=False)
            except FileNotFoundError:
                raise ContainerNotFound(identity) from None
        return record

    def rename(self, identity: str, name: str) -> ContainerRecord:
        with writing(self._directory), locked(self._directory):
            for other in self.records():
                if other.name == name and other.id != identity:
                    raise NameTaken(name, other.id)
            return self.update(identity, name=name)

    def directory(self, identity: str) -> Path:
        place = self._directory / identity
        if not _ID.fullmatch(identity) or not place.is_dir():
            raise ContainerNotFound(identity)
        return place

    def remove(self, identity: str, gone: Callable[[], None] | None = None) -> int:
        place = self.directory(identity)
        trash = self._directory / f"{_GONE}{identity}-{os.urandom(4).hex()}"
        with ExitStack() as stack:
            stack.enter_context(writing(self._directory))
            try:
                # The lock goes with the directory: a sweep leaves it to us.
                stack.enter_context(locked(place))
                place.rename(trash)
            except FileNotFoundError:
                raise ContainerNotFound(identity) from None
            if gone is not None:
                gone()
            return delete_tree(trash)

    def __iter__(self) -> Iterator[ContainerRecord]:
        records = sorted(self.records(), key=lambda record: (record.created, record.id))
        return iter([self._effective(record) for record in records])

    def damaged(self) -> list[str]:
        return [
            place.name
            for place in container_directories(self._directory)
            if _is_damaged(place / RECORD)
        ]

    def sweep(self) -> int:
        with locked(self._directory):
            freed = self._sweep_trash()
        for place in container_directories(self._directory):
            try:
                freed += sweep_files(place)
            except FileNotFoundError:
                continue
        return freed

    def _sweep_trash(self) -> int:
        """Under the lock: who made a `.new-` here is dead; a `.gone-` may be at work."""
        freed = 0
        for name in os.listdir(self._directory):
            path = self._directory / name
            if name.startswith(_NEW) or (name.startswith(_GONE) and not is_held(path)):
                freed += delete_tree(path)
        return freed

    def records(self) -> Iterator[ContainerRecord]:
        for place in container_directories(self._directory):
            try:
                yield read_record(place / RECORD)
            except (FileNotFoundError, NotADirectoryError, RecordDamaged):
                continue

    def _effective(self, record: ContainerRecord) -> ContainerRecord:
        """The record as it is true now: what its watcher noted, and what /proc tells."""
        if record.status not in LIVELY:
            return record
        end = read_end(self._directory / record.id)
        here = not record.boot or record.boot == boot()
        proc = str(self._proc)
        watched = here and lives(record.watcher, record.watcher_started, proc)
        if end is None and here and (watched or lives(record.pid, record.pid_started, proc)):
            return record
        if end is None:
            # Whoever finishes it writes the record, takes the note away and ends: between our
            # looks at the one and the other.
            current = self._current(record)
            if current != record:
                return self._effective(current)
            end = End(LOST, "")
        changes: dict[str, Any] = {
            "exit_status": end.status,
            "finished": end.finished,
            "out_of_memory": end.out_of_memory,
            "status": "restarting" if end.restarting and watched else "exited",
            "pid": 0,
        }
        return msgspec.structs.replace(record, **changes)

    def _current(self, record: ContainerRecord) -> ContainerRecord:
        try:
            return read_record(self._directory / record.id / RECORD)
        except (FileNotFoundError, NotADirectoryError, RecordDamaged):
            return record


def container_directories(directory: Path) -> list[Path]:
    """The directories of all containers, whatever is in them."""
    return [directory / name for name in sorted(os.listdir(directory)) if _ID.fullmatch(name)]


def _is_damaged(path: Path) -> bool:
    try:
        read_record(path)
    except RecordDamaged:
        return True
    except FileNotFoundError:
        # Removed meanwhile, or a directory without its record.
        return path.parent.is_dir()
    return False


def read_record(path: Path) -> ContainerRecord:
    """Read a container's record.  Raises RecordDamaged, FileNotFoundError."""
    raw = path.read_bytes()
    try:
        check(raw)
        record = decode(raw, ContainerRecord, what="a container's record")
    except EngineError as error:
        raise RecordDamaged(path, str(error)) from None
    if record.id not in (path.parent.name, path.parent.name.removeprefix(_NEW)):
        raise RecordDamaged(path, f"it is the record of {record.id}")
    return record


def read_end(place: Path) -> End | None:
    """What the watcher of the container in this directory noted of its end."""
    try:
        return msgspec.json.decode((place / END).read_bytes(), type=End)
    except (OSError, msgspec.MsgspecError):
        return None
