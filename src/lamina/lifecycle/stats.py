"""What containers use of this host: processor, memory, network, disks."""

from __future__ import annotations

import os
import time

import msgspec

from lamina.linux import process_table
from lamina.linux.cgroup_group import open_group
from lamina.linux.cgroup_usage import Usage, number
from lamina.store.container_contract import ContainerRecord

_LOOPBACK = "lo"


class Sample(msgspec.Struct, frozen=True):
    """What a container had used at one moment."""

    at: int
    """Nanoseconds of a clock that only goes on."""
    usage: Usage
    received: int
    """Bytes, by all interfaces of the container's own."""
    sent: int


def sample(record: ContainerRecord, proc: str = "/proc") -> Sample | None:
    """What a running container has used by now; None when it does not run.

    Without control groups its processes are asked, which know no disks and no limits.
    """
    if record.status not in ("running", "paused"):
        return None
    usage = open_group(record.groups).usage()
    if not usage.cpu and not usage.memory:
        usage = _by_processes(record.pid)
    received, sent = traffic(record.pid, proc)
    return Sample(time.monotonic_ns(), usage, received, sent)


def _by_processes(pid: int) -> Usage:
    processes = [process_table.read(each) for each in process_table.inside(pid)]
    there = [each for each in processes if each is not None]
    return Usage(
        cpu=sum(each.cpu_ticks for each in there) * 10**9 // process_table.TICKS,
        memory=sum(each.resident for each in there),
        memory_limit=0,
        cache=0,
        pids=sum(each.threads for each in there),
        pids_limit=0,
        read_bytes=0,
        write_bytes=0,
        throttled=0,
    )


def processors(before: Sample, after: Sample) -> float:
    """How many processors a container kept busy between two moments."""
    passed = after.at - before.at
    return max(after.usage.cpu - before.usage.cpu, 0) / passed if passed > 0 else 0.0


def traffic(pid: int, proc: str = "/proc") -> tuple[int, int]:
    """Bytes received and sent in a process's network namespace, unless that is ours."""
    try:
        if os.stat(f"{proc}/{pid}/ns/net").st_ino == os.stat(f"{proc}/self/ns/net").st_ino:
            return 0, 0
        with open(f"{proc}/{pid}/net/dev", encoding="ascii") as stream:
            text = stream.read()
    except OSError:
        return 0, 0
    return count_traffic(text)


def count_traffic(text: str) -> tuple[int, int]:
    """Bytes received and sent, from the text of /proc/PID/net/dev, without the loopback."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, counts = line.partition(":")
        fields = counts.split()
        if colon and name.strip() != _LOOPBACK and len(fields) > 8:
            received += number(fields[0])
            sent += number(fields[8])
    return received, sent


def host_memory(proc: str = "/proc") -> int:
    """Bytes of memory that this host has: the limit of those that have none."""
    with open(f"{proc}/meminfo", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("MemTotal:"):
                return number(line.split()[1]) * 1024
    return 0
