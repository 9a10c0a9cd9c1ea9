"""Where control groups are made: the hierarchies of this host, and what they control."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

import msgspec

CONTROLLERS = ("freezer", "pids", "memory", "cpuacct", "devices", "blkio", "cpu", "cpuset")
"""Those of version 1 that we have a use for."""
ALWAYS_V2 = frozenset({"freezer", "devices", "cpuacct"})
"""What every group of version 2 can do without a controller, under the names of version 1."""
_V2_NAMES = {"io": "blkio"}
_REST = "init"
_TRIES = 10
_PAUSE, _BUSY_TRIES = 0.005, 400
"""Seconds between attempts to remove a group whose processes have just ended."""


class Hierarchy(msgspec.Struct, frozen=True):
    """A tree of groups in which we may make some."""

    base: str
    """The directory under which we make ours."""
    version: Literal[1, 2]
    controllers: frozenset[str]
    """Under the names of version 1."""


def hierarchies(root: str, proc: str = "/proc") -> list[Hierarchy]:
    """Those that this process may use, those of version 1 before that of version 2.

    A controller is in one of them at most.  Empty where there are none, or may be none.
    """
    try:
        names = os.listdir(root)
    except OSError:
        return []
    if "cgroup.controllers" in names:
        return list(_unified(root, frozenset(), proc))
    found = list(_version_1(root, names, proc))
    taken = frozenset(name for each in found for name in each.controllers)
    if "unified" in names:
        found += _unified(f"{root}/unified", taken, proc)
    return found


def _version_1(root: str, names: Collection[str], proc: str) -> Iterator[Hierarchy]:
    """Controllers that are mounted together have one directory, and links to it."""
    places: dict[str, list[str]] = {}
    for name in CONTROLLERS:
        if name in names:
            place = f"{root}/{name}"
            real = os.path.realpath(place) if os.path.islink(place) else place
            places.setdefault(real, []).append(name)
    for place, controllers in places.items():
        base = _usable(place, controllers[0], ("cgroup.procs",), proc)
        if base:
            yield Hierarchy(base, 1, frozenset(controllers))


def _unified(place: str, taken: frozenset[str], proc: str) -> Iterator[Hierarchy]:
    base = _usable(place, "", ("cgroup.procs", "cgroup.subtree_control"), proc)
    if not base:
        return
    names = read(f"{base}/cgroup.controllers").split()
    controllers = {_V2_NAMES.get(name, name) for name in names} & {*CONTROLLERS}
    # Beside version 1 it is needed only for what that does not have.
    if found := frozenset(controllers | ALWAYS_V2) - taken:
        yield Hierarchy(base, 2, found)


def _usable(place: str, controller: str, files: Collection[str], proc: str) -> str:
    """The highest group on the way to our own in which we may make groups; empty for none.

    For root that is the top of what is mounted, as it is for Docker's daemon.  A user has
    what was delegated, if anything was.
    """
    if _may_write(place, files):
        return place
    candidate = place
    for name in _own_path(controller, proc):
        candidate = f"{candidate}/{name}"
        if _may_write(candidate, files):
            return candidate
    return ""


def _may_write(directory: str, files: Collection[str]) -> bool:
    paths = (directory, *(f"{directory}/{file}" for file in files))
    return all(os.access(path, os.W_OK) for path in paths)


def _own_path(controller: str, proc: str) -> list[str]:
    for line in read(f"{proc}/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            parts = path.strip("/").split("/")
            return [] if ".." in parts else [part for part in parts if part]
    return []


def delegate(base: str, parts: Collection[str], wanted: Collection[str], *, move: bool) -> None:
    """Let the groups below `base`/`parts`… of version 2 have controllers, as far as may be.

    With `move`, processes in the way go to a group of their own first: below a group that
    has processes itself the kernel controls nothing but at the very top of the tree.
    """
    directory = base
    for part in ("", *parts):
        directory = f"{directory}/{part}" if part else directory
        missing = _missing(directory, wanted)
        if missing and move and errno.EBUSY in _enable(directory, missing):
            _vacate(directory)
            _enable(directory, missing)
        elif missing and not move:
            _enable(directory, missing)


def _missing(directory: str, wanted: Collection[str]) -> list[str]:
    on = read(f"{directory}/cgroup.subtree_control").split()
    there = read(f"{directory}/cgroup.controllers").split()
    return [name for name in there if name in wanted and name not in on]


def _enable(directory: str, controllers: Collection[str]) -> set[int]:
    """Returns the numbers of the errors that occurred."""
    failed: set[int] = set()
    for name in controllers:
        try:
            write(f"{directory}/cgroup.subtree_control", f"+{name}")
        except OSError as error:
            failed.add(error.errno or 0)
    return failed


def _vacate(directory: str) -> None:
    rest = f"{directory}/{_REST}"
    try:
        os.makedirs(rest, exist_ok=True)
        for _ in range(_TRIES):  # those that are there may fork meanwhile
            pids = [pid for pid in read(f"{directory}/cgroup.procs").split() if pid != "0"]
            if not pids:
                return
            for pid in pids:
                try_write(f"{rest}/cgroup.procs", pid)
    except OSError:
        return


def read(path: str) -> str:
    """The text of a file of the kernel's; empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def write(path: str, text: str) -> None:
    """Write to a file of the kernel's.  Raises OSError, which names it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def try_write_lines(path: str, lines: Iterable[str]) -> None:
    """Write each by itself, as such files want it; what the kernel refuses is left out."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    for line in lines:
        try:
            os.write(fd, line.encode())
        except OSError:
            continue
    os.close(fd)


def try_write(path: str, text: str) -> bool:
    """Whether it could be written."""
    try:
        write(path, text)
    except OSError:
        return False
    return True


def below(path: str) -> Iterator[str]:
    """A group and those below it, the deepest last."""
    yield path
    try:
        entries = [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for name in entries:
        yield from below(f"{path}/{name}")


def remove(path: str) -> None:
    """Remove a group, those below it, and the one above when it has no others.

    Waits for processes that are ending; a group that keeps some stays.
    """
    for _ in range(_BUSY_TRIES):
        busy = False
        for each in reversed(list(below(path))):
            try:
                os.rmdir(each)
            except OSError as error:
                busy = busy or error.errno == errno.EBUSY
        if not busy:
            break
        time.sleep(_PAUSE)
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass  # others have groups in it
