"""Appending to a journal of events (store/events.py), by whoever must begin at once as well."""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "journal"
LARGEST = 4 << 20
"""Bytes after which a new journal is begun; the one before it is kept, older ones are not."""


def container_line(now: str, action: str, identity: str, attributes: Mapping[str, str]) -> bytes:
    """An event of a container, as `events.Event` is encoded, without what that loads."""
    from _json import encode_basestring as quoted

    told = ",".join(f"{quoted(name)}:{quoted(value)}" for name, value in attributes.items())
    text = (
        f'{{"time":"{now}","kind":"container","action":{quoted(action)},'
        f'"id":"{identity}","attributes":{{{told}}}}}\n'
    )
    return text.encode("utf-8", "replace")


def append_line(directory: str, line: bytes, *, largest: int = LARGEST) -> None:
    """Append a line, with its end, to the journal in a directory, made if it is missing.

    Never fails: what has happened has happened, also when the disk is full.
    """
    try:
        fd = _open_last(directory, largest)
    except OSError:
        return
    try:
        size = os.fstat(fd).st_size
        if os.write(fd, line) != len(line):
            os.ftruncate(fd, size)  # half a line would spoil the next one as well
    except OSError:
        return
    finally:
        os.close(fd)


def _open_last(directory: str, largest: int) -> int:
    """The journal, locked, and the one that has the name by then."""
    path = f"{directory}/{NAME}"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    while True:
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            try:
                os.mkdir(directory, 0o700)
            except FileExistsError:
                pass
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        status = os.fstat(fd)
        if status.st_nlink and _is(path, status):
            if status.st_size < largest:
                return fd
            os.rename(path, f"{path}.1")
        os.close(fd)


def _is(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False
