"""Processes as /proc shows them: those of a container, each with what `ps -ef` says of it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(msgspec.Struct, frozen=True):
    """One process, by numbers of the host."""

    pid: int
    parent: int
    uid: int
    threads: int
    terminal: int
    """Its device number; 0 for none."""
    started: int
    """Ticks since the machine started."""
    cpu_ticks: int
    resident: int
    """Bytes of memory."""
    command: str
    """Its arguments, or its name in brackets."""


def read(pid: int, proc: str = "/proc") -> Process | None:
    """None when it is gone."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as stream:
            stat = stream.read()
        with open(f"{proc}/{pid}/cmdline", "rb") as stream:
            words = stream.read().rstrip(b"\0").split(b"\0")
        uid = os.stat(f"{proc}/{pid}").st_uid
        with open(f"{proc}/{pid}/status", "rb") as stream:
            for line in stream:
                if line.startswith(b"Uid:"):
                    uid = int(line.split()[2])
                    break
    except OSError:
        return None
    # The command's name, in parentheses, may hold spaces and parentheses itself.
    end = stat.rfind(b")")
    fields = stat[end + 2 :].split()
    name = b"[" + stat[stat.find(b"(") + 1 : end] + b"]"
    return Process(
        pid=pid,
        parent=int(fields[1]),
        uid=uid,
        threads=int(fields[17]),
        terminal=int(fields[4]),
        started=int(fields[19]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        resident=int(fields[21]) * _PAGE,
        command=(b" ".join(words) or name).decode("utf-8", "surrogateescape"),
    )


def everyone(proc: str = "/proc") -> list[int]:
    """The numbers of all processes that are to be seen."""
    return [int(name) for name in os.listdir(proc) if name.isdecimal()]


def inside(pid: int, proc: str = "/proc") -> list[int]:
    """The processes of the container whose first process that is: those in its pid namespace,
    or, where that is ours, those that descend from it."""
    numbers = everyone(proc)
    theirs = _namespace(pid, proc)
    if theirs and theirs != _namespace("self", proc):
        return [each for each in numbers if _namespace(each, proc) == theirs]
    parents = {each: found.parent for each in numbers if (found := read(each, proc)) is not None}
    return sorted(_descendants(pid, parents))


def holding(directory: str, proc: str = "/proc") -> list[int]:
    """The processes that have a file open that lies, or lay, below a directory."""
    return [each for each in everyone(proc) if _holds(f"{proc}/{each}/fd", directory + "/")]


def _holds(descriptors: str, prefix: str) -> bool:
    try:
        names = os.listdir(descriptors)
        return any(os.readlink(f"{descriptors}/{name}").startswith(prefix) for name in names)
    except OSError:
        return False  # gone, or nothing for us to see


def _namespace(pid: int | str, proc: str) -> str:
    try:
        return os.readlink(f"{proc}/{pid}/ns/pid")
    except OSError:
        return ""


def _descendants(pid: int, parents: dict[int, int]) -> set[int]:
    found = {pid} & parents.keys()
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def users(uids: Iterable[int]) -> dict[int, str]:
    """The names that this host has for users; the number where it has none."""
    import pwd

    names: dict[int, str] = {}
    for uid in set(uids):
        try:
            names[uid] = pwd.getpwuid(uid).pw_name
        except KeyError:
            names[uid] = str(uid)
    return names


def uptime(proc: str = "/proc") -> float:
    """Seconds since the machine started."""
    with open(f"{proc}/uptime", encoding="ascii") as stream:
        return float(stream.read().split()[0])


def boot_time(proc: str = "/proc") -> int:
    """When the machine started, in seconds of the epoch."""
    with open(f"{proc}/stat", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("btime "):
                return int(line.split()[1])
    return 0
