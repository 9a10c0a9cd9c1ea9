"""How much of the page cache is whose: by the file, and by the process that asked for it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Failed

_CACHESTAT = 451


def resident(path: Path) -> int:
    """cachestat(2): bytes of a file that are in the page cache."""
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    try:
        everything, found = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
        if ctypes.CDLL(None).syscall(_CACHESTAT, fd, everything, found, 0) != 0:
            raise Failed("this kernel has no cachestat(2)")
        return found[0] * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(fd)


class Group:
    """A memory control group: pages belong to the group that first brings them in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        inner = f'echo $$ > {place}/cgroup.procs && exec "$@"'
        self.prefix = ("sh", "-c", inner, "sh")

    def cache(self) -> int:
        """Bytes of files in the page cache, without what is in tmpfs."""
        pairs = (line.split() for line in (self.place / "memory.stat").read_text().splitlines())
        stat = {key: int(value) for key, value in pairs}
        if "total_cache" in stat:  # version 1
            return stat["total_cache"] - stat["total_shmem"]
        return stat["file"] - stat["shmem"]


@contextmanager
def new_group() -> Iterator[Group]:
    """A group that ends with the block, whose processes must have ended."""
    hierarchy = Path("/sys/fs/cgroup")
    first = (hierarchy / "memory").is_dir()
    place = hierarchy / ("memory" if first else "") / f"lamina-bench-{os.urandom(4).hex()}"
    place.mkdir()
    try:
        yield Group(place)
    finally:
        place.rmdir()
