"""What on the machine is of the containers of one store, to be compared before and after."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.rights import AS_USER

Machine = dict[str, set[str]]


def machine(root: Path, identities: Iterable[str], enter: Sequence[str]) -> Machine:
    """All of it; `root` is the store, `identities` are of all containers that there were in
    it, and `enter` is what goes before a command in the network that they were run from."""
    ids = set(identities)
    processes = dict(_processes(root, ids))
    return {
        "mounts": set(_mounts(root)),
        "control groups": {place for place in _groups() if os.path.basename(place) in ids},
        "interfaces": _lines(*enter, "ip", "-o", "-br", "link"),
        "firewall": set() if AS_USER else _lines(*enter, "nft", "list", "ruleset"),
        "processes": {f"{pid} {line}" for pid, line in processes.items()},
        "network namespaces": set(_namespaces(processes)),
        "loop devices": {line for line in _lines("losetup", "-a") if str(root) in line},
        "files": set(_tree(root, ("containers", "volumes", "leases", "network", "networks"))),
        "descriptors": set(os.listdir("/proc/self/fd")),
    }


def left(before: Machine, after: Machine) -> dict[str, list[str]]:
    """What is there now and was not before, by kind."""
    found = {kind: sorted(after[kind] - before[kind]) for kind in before}
    return {kind: names for kind, names in found.items() if names}


def _mounts(root: Path) -> Iterator[str]:
    """Those below the store, but for its layers: they are kept mounted on purpose."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if point.startswith(str(root)) and not point.startswith(str(root / "layers")):
            yield point


def _groups() -> Iterator[str]:
    for place, _, _ in os.walk("/sys/fs/cgroup"):
        yield place


def _lines(*command: str) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {" ".join(line.split()) for line in done.stdout.splitlines()}


def _processes(root: Path, ids: set[str]) -> Iterator[tuple[int, str]]:
    """Of the store: those that name it, hold something in it, or are in a container's group."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        place = Path("/proc", pid)
        try:
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = {*(place / "cgroup").read_text().replace("\n", "/").split("/")}
            held = [os.readlink(fd) for fd in (place / "fd").iterdir()]
        except OSError:
            continue  # it has just ended
        ours = str(root) in line or groups & ids or any(each.startswith(str(root)) for each in held)
        if ours and int(pid) != os.getpid():
            yield int(pid), line[:100]


def _namespaces(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        try:
            yield os.readlink(f"/proc/{pid}/ns/net")
        except OSError:
            continue


def _tree(root: Path, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        for place, directories, files in os.walk(root / name):
            yield from (os.path.join(place, each) for each in (*directories, *files))
