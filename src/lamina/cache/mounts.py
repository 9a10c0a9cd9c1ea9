"""Cache mounts: directories that RUN fills and that outlive builds, images and collections.

`<root>/cache-mounts/<name>/` holds one: `data/` is what RUN sees, `record.json` says whose
it is.  The directory itself is the lock: shared by those who write side by side, exclusive
for one who wants to be alone.  The lock ends with its process, so nothing is ever stuck.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from lamina.errors import Conflict
from lamina.oci.document import encode
from lamina.sha256 import sha256
from lamina.store.atomic import is_held, replace_file

Sharing = Literal["shared", "private", "locked"]
_PAUSE = 0.05
"""Seconds between two looks at a lock that another process holds."""
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class CacheMount(msgspec.Struct, frozen=True):
    """One directory, and what is known of it."""

    id: str
    """As `--mount=type=cache,id=…` has it, by default its target."""
    path: Path
    """The directory that RUN sees."""
    base: str
    """What it was filled with at first: a digest, or empty."""
    mode: int
    uid: int
    gid: int
    """Of the directory, as asked for; part of what it is known by."""
    created: str
    used: str
    """When a build began that last had it mounted; like `created` RFC 3339."""
    in_use: bool


class CacheMountInUse(Conflict):
    """A build has it mounted."""

    def __init__(self, mount: CacheMount) -> None:
        super().__init__(f"cache mount {mount.id} is in use by a build")


class _Record(msgspec.Struct, frozen=True):
    """What `record.json` says."""

    id: str
    base: str
    mode: int
    uid: int
    gid: int
    created: str
    used: str


class CacheMounts:
    """The cache mounts of one store; safe to use from several threads and processes."""

    def __init__(self, root: Path) -> None:
        """`root` is the store's directory."""
        self.directory = root / "cache-mounts"

    @contextmanager
    def use(
        self,
        id: str,  # noqa: A002 - the option's name
        sharing: Sharing = "shared",
        *,
        now: str,
        mode: int = 0o755,
        uid: int = 0,
        gid: int = 0,
        base: str = "",
        populate: Callable[[Path], None] | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> Iterator[Path]:
        """The directory to mount, made if it is missing, for the length of a `with` block.

        `shared`: beside others who share it.  `locked`: alone, after waiting for all who
        have it.  `private`: alone at once, another directory when this one is taken.
        Those with another `base`, `mode` or owner have another directory, for they ask for
        other content.

        `populate` fills a new directory; when it fails there is none.  `now` is RFC 3339.
        `waiting` is called again and again while others have the directory; what it
        raises ends the wait.
        """
        record = _Record(id, base, mode, uid, gid, now, now)
        place, fd = self._taken(record, sharing, populate, waiting)
        try:
            known = _read(place)
            _write(place, record if known is None else msgspec.structs.replace(known, used=now))
            yield place / "data"
        finally:
            os.close(fd)

    def _taken(
        self,
        record: _Record,
        sharing: Sharing,
        populate: Callable[[Path], None] | None,
        waiting: Callable[[], None],
    ) -> tuple[Path, int]:
        """A directory that is filled, and a descriptor that holds its lock."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        name, number = _name(record), 0
        while True:
            place = self.directory / (f"{name}-{number}" if number else name)
            fd = _open(place)
            try:
                if sharing == "private":
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                elif sharing == "shared" and (place / "data").is_dir():
                    _hold(fd, fcntl.LOCK_SH, waiting)
                else:
                    _hold(fd, fcntl.LOCK_EX, waiting)
                if _is_still(place, fd):
                    if (place / "data").is_dir():
                        return place, os.dup(fd)
                    _fill(place, record, populate)  # and lock it again, this time as asked
            except BlockingIOError:
                number += 1
            finally:
                os.close(fd)

    def __iter__(self) -> Iterator[CacheMount]:
        """All of them, by id."""
        found = [mount for name in self._names() if (mount := self._look(name)) is not None]
        return iter(sorted(found, key=lambda each: (each.id, each.created, each.path)))

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.directory)
        except FileNotFoundError:
            return []

    def _look(self, name: str) -> CacheMount | None:
        place = self.directory / name
        record = _read(place)
        if record is None:
            return None
        fields = msgspec.structs.asdict(record)
        return CacheMount(**fields, path=place / "data", in_use=is_held(place))

    def size(self, mount: CacheMount) -> int:
        """Bytes of disk that it takes, a file with several links once."""
        total, seen, waiting = 0, set(), [os.fspath(mount.path)]
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        status = entry.stat(follow_symlinks=False)
                        if (status.st_dev, status.st_ino) not in seen:
                            seen.add((status.st_dev, status.st_ino))
                            total += status.st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
            except OSError:
                continue  # a command deletes it at this moment
        return total

    def remove(self, mount: CacheMount) -> int:
        """Delete it; returns the bytes of disk freed.  Raises CacheMountInUse."""
        from lamina.store.trash import delete_tree

        place = mount.path.parent
        try:
            fd = os.open(place, _FLAGS)
        except FileNotFoundError:
            return 0
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The record goes first: what is left after a crash is no cache mount any more.
            (place / "record.json").unlink(missing_ok=True)
            return delete_tree(place)
        except BlockingIOError:
            raise CacheMountInUse(mount) from None
        finally:
            os.close(fd)


def _name(record: _Record) -> str:
    """The name of its directory: of all that it is known by."""
    known_by = [record.id, record.base, record.mode, record.uid, record.gid]
    return sha256(encode(known_by)).hex()[:32]


def _open(place: Path) -> int:
    """The directory, made if it is missing."""
    while True:
        place.mkdir(mode=0o700, exist_ok=True)
        try:
            return os.open(place, _FLAGS)
        except FileNotFoundError:
            pass  # removed between the two


def _hold(fd: int, how: int, waiting: Callable[[], None]) -> None:
    """flock(2), in steps, so that a build that is given up need not wait for another."""
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            time.sleep(_PAUSE)
        else:
            return


def _is_still(place: Path, fd: int) -> bool:
    """Whether the directory that we locked is the one of that name, and not removed since."""
    try:
        return os.path.samestat(os.stat(place), os.fstat(fd))
    except FileNotFoundError:
        return False


def _fill(place: Path, record: _Record, populate: Callable[[Path], None] | None) -> None:
    """Make `data`, all of it or none; the lock is held."""
    from lamina.store.trash import delete_tree

    new = place / "data.new"
    delete_tree(new)
    new.mkdir(mode=0o700)
    if populate is not None:
        populate(new)
    os.chown(new, record.uid, record.gid)
    new.chmod(record.mode)
    _write(place, record)
    new.rename(place / "data")


def _read(place: Path) -> _Record | None:
    try:
        return msgspec.json.decode((place / "record.json").read_bytes(), type=_Record)
    except (OSError, msgspec.DecodeError):
        return None


def _write(place: Path, record: _Record) -> None:
    # Not synced: after a crash of the machine an older one is as good.
    replace_file(place / "record.json", msgspec.json.encode(record), durable=False)
