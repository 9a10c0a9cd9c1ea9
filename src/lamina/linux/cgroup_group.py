"""The control groups of one container, handled as one."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lamina.errors import Conflict, Invalid, NotFound, Unsupported
from lamina.linux.cgroup import ROOT
from lamina.linux.cgroup_limits import (
    NO_MEMORY,
    NO_SWAP,
    NONE,
    Limits,
    Setting,
    Version,
    numbers,
    settings,
)
from lamina.linux.cgroup_tree import (
    Hierarchy,
    below,
    delegate,
    hierarchies,
    read,
    remove,
    try_write,
    try_write_lines,
    write,
)
from lamina.linux.devices import DEFAULT, EVERYTHING, DeviceRule

if TYPE_CHECKING:
    from lamina.linux.cgroup_usage import Usage

PARENT = "lamina"
_BASIC = frozenset({"freezer", "pids", "memory", "cpuacct", "devices", "blkio"})
"""What is counted for every container, so that `pause`, `top` and `stats` know of it; the
others cost more at each start, and are made for those that have such limits."""
_PAUSE, _TRIES = 0.005, 400
_READ = 0.5
"""Seconds that a watcher has to read what happened in a group whose processes have ended."""
_V2_CONTROLLERS = {"blkio": "io"}
_ABSENT = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP}


class LimitRefused(Invalid):
    """The kernel does not take a limit."""

    def __init__(self, file: str, value: str, reason: str) -> None:
        super().__init__(f"the limit {file} cannot be {value}: {reason}")


class InUse(Conflict):
    """More is used already than a new limit allows."""

    def __init__(self, file: str, value: str) -> None:
        super().__init__(
            f"the limit {file} cannot be {value}: the container uses more already",
            hint="a larger one, or stop it first",
        )


class CpusetAbsent(Invalid):
    """Processors or memory nodes that this host does not have, or does not give."""

    def __init__(self, what: str, wanted: str, there: str) -> None:
        super().__init__(f"requested {what} are not available: {wanted}, there are: {there}")


class GroupTaken(Conflict):
    """Processes are in a group of that name."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the control group {path} has processes", hint="end them first")


class NoBlockDevice(NotFound):
    """A limit for a device that is not there."""


class NoFreezer(Unsupported):
    """Nothing here can hold the processes of a container."""

    def __init__(self) -> None:
        super().__init__(
            "containers cannot be paused here: the container has no control group",
            hint="mount the freezer controller, or cgroup2, writable",
        )


class NotFrozen(Conflict):
    """Processes that wait for a device or a network disk cannot be held."""

    def __init__(self) -> None:
        super().__init__("the container's processes do not come to rest", hint="try again later")


class Group:
    """The control groups of one container: one, or one for each controller.

    `paths` are their directories; a process is in the container when it has written 0 to
    `cgroup.procs` in each.  Without any (no control groups here) a group counts nothing,
    has no processes and cannot be frozen.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)

    def processes(self) -> list[int]:
        """The pids of the processes in it, and in groups that it made below."""
        for path in self.paths:
            if os.path.isdir(path):
                texts = (read(f"{each}/cgroup.procs") for each in below(path))
                return [int(pid) for text in texts for pid in text.split() if pid != "0"]
        return []

    def usage(self) -> Usage:
        """What it uses now."""
        from lamina.linux.cgroup_usage import usage

        return usage(self._read)

    def out_of_memory(self) -> bool:
        """Whether the kernel killed one of its processes for want of memory."""
        from lamina.linux.cgroup_usage import oom_kills

        return oom_kills(self._read) > 0

    def freeze(self) -> None:
        """Hold all its processes; returns when they are held.

        Raises NoFreezer, NotFrozen: then they run on.
        """
        file, frozen, _ = self._freezer()
        write(file, frozen)
        for _ in range(_TRIES):
            if self.frozen():
                return
            time.sleep(_PAUSE)
            try_write(file, frozen)  # version 1 gives up when they fork meanwhile
        self.thaw()
        raise NotFrozen

    def thaw(self) -> None:
        """Let its processes go on.  Raises NoFreezer."""
        file, _, thawed = self._freezer()
        write(file, thawed)

    def frozen(self) -> bool:
        """Whether its processes are held."""
        if text := self._read("freezer.state"):
            return text.strip() == "FROZEN"
        return "frozen 1" in self._read("cgroup.events")

    def kill(self) -> None:
        """End all its processes, held or not; returns before they are gone."""
        if (file := self._file("cgroup.kill")) and try_write(file, "1"):
            return
        for _ in range(_TRIES):
            pids = self.processes()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
            if self._read("freezer.state").strip() not in ("", "THAWED"):
                self.thaw()  # of version 1, what is held does not end
            if not pids:
                return
            time.sleep(_PAUSE)

    def update(self, limits: Limits, root: str = ROOT) -> tuple[str, ...]:
        """Put limits in force for the processes that are in it; what is 0 stays as it was.

        Returns a warning for each that this host cannot set.  Controllers that it was without
        are added.  Raises LimitRefused, CpusetAbsent, InUse, NoBlockDevice.
        """
        places = hierarchies(root)
        needed = _needed(limits)
        for place in places:
            if place.controllers & needed and (name := self._name(places)):
                self._extend(place, name, needed)
        return self._apply(limits, places)

    def _extend(self, place: Hierarchy, name: str, needed: frozenset[str]) -> None:
        """Let its processes have controllers that they were without."""
        if self._in(place):
            if place.version == 2:
                delegate(place.base, name.split("/")[:-1], _v2_names(needed), move=True)
            return
        pids = self.processes()
        path = f"{place.base}/{name}"
        if _try_make(place, path, needed, move=True):
            self.paths = (*self.paths, path)
            for pid in pids:
                try_write(f"{path}/cgroup.procs", str(pid))

    def remove(self) -> None:
        """Remove it, with groups that its processes made below; nothing when it is gone.

        Waits for processes that are ending.  What still has processes stays.
        """
        for path in self.paths:
            remove(path)

    # what it is made of

    def _read(self, name: str) -> str:
        file = self._file(name)
        return read(file) if file else ""

    def _file(self, name: str) -> str:
        """Where a file of that name is; the names of controllers' files do not clash."""
        for path in self.paths:
            if os.path.exists(f"{path}/{name}"):
                return f"{path}/{name}"
        return ""

    def _freezer(self) -> tuple[str, str, str]:
        if file := self._file("freezer.state"):
            return file, "FROZEN", "THAWED"
        if file := self._file("cgroup.freeze"):
            return file, "1", "0"
        raise NoFreezer

    def _in(self, place: Hierarchy) -> bool:
        return any(path.startswith(place.base + "/") for path in self.paths)

    def _name(self, places: Sequence[Hierarchy]) -> str:
        """`lamina/ID`."""
        for place in places:
            for path in self.paths:
                if path.startswith(place.base + "/"):
                    return path[len(place.base) + 1 :]
        return ""

    def _apply(self, limits: Limits, places: Sequence[Hierarchy]) -> tuple[str, ...]:
        for place in places:
            if "cpuset" in place.controllers:
                _check_cpuset(limits, place)
        versions: dict[str, Version] = {
            name: place.version for place in places if self._in(place) for name in place.controllers
        }
        wanted = [
            setting
            for version in (1, 2)
            for setting in settings(limits, version)
            if versions.get(_controller(setting), 1) == version
        ]
        discarded, refused = self._set(wanted)
        # Limits depend on each other: memory on swap when both grow, say.
        again, refused = self._set(refused)
        for setting in refused:
            self._refuse(setting)
        told = dict.fromkeys(each.discarded for each in discarded + again)
        if NO_MEMORY in told:
            told.pop(NO_SWAP, None)  # it says that memory is limited
        return tuple(filter(None, told))

    def _set(self, wanted: Iterable[Setting]) -> tuple[list[Setting], list[Setting]]:
        """Those that this host cannot set, and those that the kernel did not take."""
        discarded: list[Setting] = []
        refused: list[Setting] = []
        for setting in wanted:
            file, text = self._way(setting)
            if not file:
                discarded.append(setting)
                continue
            try:
                write(file, text)
            except OSError as error:
                (discarded if error.errno in _ABSENT else refused).append(setting)
        return discarded, refused

    def _way(self, setting: Setting) -> tuple[str, str]:
        for name, text in setting.ways:
            if file := self._file(name):
                return file, f"{_numbers(setting.device)} {text}" if setting.device else text
        return "", ""

    def _refuse(self, setting: Setting) -> None:
        file, text = self._way(setting)
        name = os.path.basename(file)
        try:
            write(file, text)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise InUse(name, text) from None
            raise LimitRefused(name, text, os.strerror(error.errno or 0)) from None


def make_group(
    name: str,
    limits: Limits = NONE,
    devices: tuple[DeviceRule, ...] = DEFAULT,
    *,
    parent: str = PARENT,
    root: str = ROOT,
) -> tuple[Group, tuple[str, ...]]:
    """A new group of that name, with a warning for each limit that this host cannot set.

    `devices` are what its processes may open and make.  The group has no paths where no
    control group can be made.  Raises LimitRefused, CpusetAbsent,
    NoBlockDevice, GroupTaken: then nothing is left.
    """
    needed = _needed(limits)
    group = Group(())
    places = hierarchies(root)
    try:
        for place in places:
            path = f"{place.base}/{parent.strip('/')}/{name}"
            if place.controllers & (needed | _BASIC) and _try_make(
                place, path, needed | _BASIC, move=bool(needed)
            ):
                group.paths = (*group.paths, path)
        warnings = group._apply(limits, places)
        if devices != EVERYTHING:
            _restrict(group, devices)
    except BaseException:
        group.remove()
        raise
    return group, warnings


def open_group(paths: Sequence[str]) -> Group:
    """The group that `make_group` gave, by its paths; it need not be there any more."""
    return Group(paths)


def leftovers(names: Iterable[str], parent: str = PARENT, root: str = ROOT) -> list[Group]:
    """The groups of those names that are there, whoever made them."""
    bases = [f"{place.base}/{parent}" for place in hierarchies(root)]
    there = [(base, set(_names(base))) for base in bases]
    groups = {name: [f"{base}/{name}" for base, has in there if name in has] for name in names}
    return [Group(paths) for paths in groups.values() if paths]


def sweep(before: float, parent: str = PARENT, root: str = ROOT) -> int:
    """Remove the groups that have no processes and were made before that moment (seconds of
    the epoch): nobody is about to join them.  Returns how many there were.

    For those of containers whose records are gone; others are removed with what they are of.
    Whose they are their names do not tell: of a container of another store that has just ended
    its watcher may still want to read what happened in it, for which it has a moment.
    """
    bases = [f"{place.base}/{parent}" for place in hierarchies(root)]
    paths = [f"{base}/{name}" for base in bases for name in _names(base)]
    old = [path for path in paths if os.path.isdir(path) and _made(path) < before]
    empty = _empty(old)
    if empty:
        time.sleep(_READ)
        empty = [path for path in _empty(empty) if _made(path) < before]
    for path in empty:
        remove(path)
    return len({os.path.basename(path) for path in empty})


def _empty(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if os.path.isdir(path) and not Group((path,)).processes()]


def _made(path: str) -> float:
    """When a group was made; one that is gone now, later than any other."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return float("inf")


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _controller(setting: Setting) -> str:
    return "blkio" if setting.controller == "io" else setting.controller


def _needed(limits: Limits) -> frozenset[str]:
    return frozenset(_controller(setting) for setting in settings(limits, 1))


def _try_make(place: Hierarchy, path: str, wanted: frozenset[str], *, move: bool) -> bool:
    """Whether the group could be made."""
    parts = path[len(place.base) + 1 :].split("/")[:-1]
    try:
        _make(place, path, parts, wanted, move=move)
    except OSError:
        return False
    return True


def _make(
    place: Hierarchy, path: str, parts: Sequence[str], wanted: frozenset[str], *, move: bool
) -> None:
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if place.version == 2:
            delegate(place.base, parts, _v2_names(wanted), move=move)
        elif "cpuset" in place.controllers:
            for depth in range(1, len(parts) + 1):
                _inherit_cpuset("/".join((place.base, *parts[:depth])))
        try:
            os.mkdir(path)
        except FileNotFoundError:
            continue  # whoever had the last other group there removed the parent meanwhile
        except FileExistsError:
            # Somebody's who was killed before it had a process.
            if Group((path,)).processes() or not _cleared(path):
                raise GroupTaken(path) from None
            continue
        if "cpuset" in place.controllers and place.version == 1:
            _inherit_cpuset(path)
        return


def _cleared(path: str) -> bool:
    remove(path)
    return not os.path.exists(path)


def _v2_names(controllers: Iterable[str]) -> set[str]:
    return {_V2_CONTROLLERS.get(each, each) for each in controllers}


def _check_cpuset(limits: Limits, place: Hierarchy) -> None:
    for what, kind, wanted in (
        ("CPUs", "cpus", limits.cpuset_cpus),
        ("memory nodes", "mems", limits.cpuset_mems),
    ):
        if wanted:
            names = (f"cpuset.effective_{kind}", f"cpuset.{kind}.effective", f"cpuset.{kind}")
            texts = (read(f"{place.base}/{name}").strip() for name in names)
            there = next(filter(None, texts), "")
            if there and (numbers(wanted) or set()) - (numbers(there) or set()):
                raise CpusetAbsent(what, wanted, there)


def _inherit_cpuset(path: str) -> None:
    """A group of version 1 has no processors and no memory nodes before it is given some."""
    above = os.path.dirname(path)
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not read(f"{path}/{name}").strip():
            write(f"{path}/{name}", read(f"{above}/{name}").strip())


def _restrict(group: Group, rules: tuple[DeviceRule, ...]) -> None:
    """Nothing where the kernel does not let us: then the container has no such nodes, and
    no right to open those that it makes (mounts without devices)."""
    if deny := group._file("devices.deny"):
        if try_write(deny, "a"):
            allow = os.path.join(os.path.dirname(deny), "devices.allow")
            try_write_lines(allow, map(str, rules))
    elif freeze := group._file("cgroup.freeze"):
        _restrict_v2(os.path.dirname(freeze), rules)


def _restrict_v2(path: str, rules: tuple[DeviceRule, ...]) -> None:
    from lamina.linux.bpf import attach_device_program, device_program, load_device_program

    try:
        program = load_device_program(device_program(rules))
    except OSError:
        return
    try:
        attach_device_program(path, program)
    except OSError:
        return
    finally:
        os.close(program)


def _numbers(device: str) -> str:
    try:
        number = os.stat(device).st_rdev
    except OSError as error:
        raise NoBlockDevice(f"no device {device}: {error.strerror}") from None
    return f"{os.major(number)}:{os.minor(number)}"
