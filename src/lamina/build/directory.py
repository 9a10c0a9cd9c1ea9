"""The working directory of one build: private, locked, and gone when the build is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamina.store.atomic import locked
from lamina.store.contract import Store


@contextmanager
def working_directory(store: Store, identity: str) -> Iterator[Path]:
    """`builds/<identity>`, locked while this process lives; those of dead ones are swept."""
    builds = store.root / "builds"
    builds.mkdir(mode=0o700, exist_ok=True)
    directory = builds / identity
    with locked(builds):
        _sweep(builds)
        directory.mkdir(mode=0o700)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        _remove(directory)
        os.close(fd)


def _sweep(builds: Path) -> None:
    for place in builds.iterdir():
        try:
            fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its owner has just finished
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(place)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)


def _remove(place: Path) -> None:
    try:
        place.rmdir()  # a build that is all cached put nothing there
    except OSError:
        import shutil

        shutil.rmtree(place, ignore_errors=True)
