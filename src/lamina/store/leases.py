"""Leases as files: `leases/<random>`, one digest a line, locked while their process lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lamina.errors import Invalid
from lamina.oci.digest import Digest
from lamina.store.atomic import held_file, locked
from lamina.store.contract import Lease
from lamina.store.errors import writing


class DirLeases:
    """Implements `LeaseStore` (store/contract.py) on a directory and a lock file.

    `protect` holds the lock shared, gc exclusively: a digest is either noted
    before gc looks, or its owner learns afterwards that the thing is gone.
    """

    def __init__(self, root: Path) -> None:
        self._directory = root / "leases"
        self._lock = root / "gc.lock"

    @contextmanager
    def hold(self) -> Iterator[_Lease]:
        with writing(self._directory):
            path, fd = held_file(self._directory)
        try:
            yield _Lease(path, fd, self._lock)
        finally:
            path.unlink(missing_ok=True)
            os.close(fd)

    def protected(self, *, beside: Lease | None = None) -> set[Digest]:
        own = beside.path.name if isinstance(beside, _Lease) else ""
        kept: set[Digest] = set()
        for name in os.listdir(self._directory):
            if name != own:
                kept |= self._living(self._directory / name)
        return kept

    def collecting(self) -> AbstractContextManager[None]:
        return locked(self._lock)

    @staticmethod
    def _living(path: Path) -> set[Digest]:
        """What a lease keeps; a dead one is deleted and keeps nothing."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return set()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return set()
        except BlockingIOError:
            return _digests(path)
        finally:
            os.close(fd)


class _Lease:
    """Implements `Lease`."""

    def __init__(self, path: Path, fd: int, lock: Path) -> None:
        self.path = path
        self._fd = fd
        self._lock = lock

    def fileno(self) -> int:
        return self._fd

    def protect(self, *digests: Digest) -> None:
        text = "".join(f"{digest}\n" for digest in digests)
        with writing("a lease"), locked(self._lock, shared=True):
            os.write(self._fd, text.encode())


def _digests(path: Path) -> set[Digest]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return set()
    found = set()
    for line in lines:
        try:
            found.add(Digest(line))
        except Invalid:
            continue
    return found
