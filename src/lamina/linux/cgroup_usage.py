"""What a control group has used up, as its files tell."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

Read = Callable[[str], str]
"""The text of a file of the group's, by name; empty when there is none."""


class Usage(msgspec.Struct, frozen=True):
    """What the processes of a group use, or have used; 0 is also what is not counted here."""

    cpu: int
    """Nanoseconds."""
    memory: int
    """Bytes, without those of files that nobody has touched for long: as Docker counts."""
    memory_limit: int
    """Bytes; 0 for none."""
    cache: int
    """Bytes of such files."""
    pids: int
    """Processes and threads."""
    pids_limit: int
    read_bytes: int
    """From block devices."""
    write_bytes: int
    throttled: int
    """How many periods it was kept from computing in."""


def usage(read: Read) -> Usage:
    """Of the group whose files are read: either version's, or some of each."""
    whole = number(read("memory.usage_in_bytes") or read("memory.current"))
    table = pairs(read("memory.stat"))
    cache = table.get("total_inactive_file", table.get("inactive_file", 0))
    cpu = pairs(read("cpu.stat"))
    done = _blkio(read) or _io(read("io.stat"))
    return Usage(
        cpu=number(read("cpuacct.usage")) or cpu.get("usage_usec", 0) * 1000,
        memory=whole - cache if cache < whole else whole,
        memory_limit=_limit(read("memory.limit_in_bytes") or read("memory.max")),
        cache=cache,
        pids=number(read("pids.current")),
        pids_limit=_limit(read("pids.max")),
        read_bytes=done[0],
        write_bytes=done[1],
        throttled=cpu.get("nr_throttled", 0),
    )


def oom_kills(read: Read) -> int:
    """How many of its processes the kernel killed for want of memory."""
    return pairs(read("memory.events") or read("memory.oom_control")).get("oom_kill", 0)


def number(text: str) -> int:
    """0 for what is none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def pairs(text: str) -> dict[str, int]:
    """Lines of a name and a number."""
    fields = (line.split() for line in text.splitlines())
    return {each[0]: number(each[1]) for each in fields if len(each) == 2}


_ENDLESS = 1 << 62
"""No limit, in version 1, is the largest number of pages that there can be."""


def _limit(text: str) -> int:
    value = number(text)
    return value if value < _ENDLESS else 0


def _blkio(read: Read) -> tuple[int, int] | None:
    for name in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
        if text := read(name):
            sums = {"Read": 0, "Write": 0}
            for fields in map(str.split, text.splitlines()):
                if len(fields) == 3 and fields[1] in sums:
                    sums[fields[1]] += number(fields[2])
            return sums["Read"], sums["Write"]
    return None


def _io(text: str) -> tuple[int, int]:
    sums = {"rbytes": 0, "wbytes": 0}
    for field in text.split():
        name, _, value = field.partition("=")
        if name in sums:
            sums[name] += number(value)
    return sums["rbytes"], sums["wbytes"]
