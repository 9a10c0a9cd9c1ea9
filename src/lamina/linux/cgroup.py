"""Control groups: which kind this host has, and one with a limit to its memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lamina.errors import Unsupported
from lamina.linux import joining
from lamina.linux.cgroup_tree import delegate, remove, try_write, write

Kind = Literal["none", "v1", "v2", "hybrid"]
ROOT = "/sys/fs/cgroup"
_OURS = "lamina"


class NoMemoryControl(Unsupported):
    """This host does not let us limit memory."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"memory cannot be limited here: {reason}")


def detect(root: str = ROOT) -> Kind:
    """`v2` (one hierarchy), `v1` (one each controller), `hybrid` (v1, and v2 without
    controllers beside it), or `none`."""
    if os.path.exists(f"{root}/cgroup.controllers"):
        return "v2"
    try:
        names = os.listdir(root)
    except OSError:
        return "none"
    if not names:
        return "none"
    return "hybrid" if os.path.exists(f"{root}/unified/cgroup.controllers") else "v1"


def join(group: Path) -> None:
    """Move this process, which has one thread, into a group.  Raises OSError."""
    joining.join(str(group))


class MemoryGroup:
    """A control group whose processes may use so much memory together."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ran_out(self) -> bool:
        """Whether the kernel killed one of its processes for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            try:
                text = (self.path / name).read_text()
            except OSError:
                continue
            pairs = dict(line.split() for line in text.splitlines())
            return int(pairs.get("oom_kill", 0)) > 0
        return False


@contextmanager
def limited_memory(name: str, size: int, root: str = ROOT) -> Iterator[MemoryGroup]:
    """A new group of that name which may use `size` bytes, for the length of a `with` block.

    All its processes must have ended by then, or be about to.  Raises NoMemoryControl.
    """
    kind = detect(root)
    try:
        if kind in ("v1", "hybrid") and os.path.isdir(f"{root}/memory"):
            group = _make(_own_v1(root), name)
            _limit_v1(group, size)
        else:
            group = _make(_unified(kind, root), name)
            _limit_v2(group, size)
    except OSError as error:
        raise NoMemoryControl(f"{error.filename}: {error.strerror}") from None
    try:
        yield MemoryGroup(group)
    finally:
        remove(str(group))


def _own_v1(root: str) -> Path:
    """The memory group of this process: what limits it limits those below it, too."""
    base = Path(root, "memory")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") and (base / path.lstrip("/")).is_dir():
            return base / path.lstrip("/")
    return base


def _unified(kind: Kind, root: str) -> Path:
    """The root of the version 2 hierarchy, its memory controller on."""
    base = Path(root) if kind == "v2" else Path(root, "unified")
    try:
        controllers = (base / "cgroup.controllers").read_text().split()
    except FileNotFoundError:
        controllers = []
    if "memory" not in controllers:
        raise NoMemoryControl(f"no memory controller in {root}")
    return base


def _make(base: Path, name: str) -> Path:
    ours = base / _OURS
    _sweep(ours)
    while True:
        ours.mkdir(exist_ok=True)
        if (base / "cgroup.subtree_control").exists():
            delegate(str(base), [_OURS], ["memory"], move=True)
        group = ours / f"{os.getpid()}-{name}"
        try:
            group.mkdir()
        except FileNotFoundError:
            continue  # the last other build removed ours meanwhile
        return group


def _limit_v1(group: Path, size: int) -> None:
    try:
        write(f"{group}/memory.limit_in_bytes", str(size))
    except OSError:
        group.rmdir()
        raise
    # Swap is counted with memory here; the file is missing where it is not counted at all.
    try_write(f"{group}/memory.memsw.limit_in_bytes", str(2 * size))


def _limit_v2(group: Path, size: int) -> None:
    try:
        write(f"{group}/memory.max", str(size))
    except OSError:
        group.rmdir()
        raise
    try_write(f"{group}/memory.swap.max", str(size))


def _sweep(ours: Path) -> None:
    """Remove the groups of processes that were killed before they could."""
    try:
        names = os.listdir(ours)
    except FileNotFoundError:
        return
    for name in names:
        pid = name.partition("-")[0]
        if pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
            try:
                (ours / name).rmdir()
            except OSError:
                pass
