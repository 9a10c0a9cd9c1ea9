"""What a container may use, and which files of a control group say so.  Pure.

Limits are checked as Docker checks them, and in its words where people know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from lamina.errors import Invalid

_LEAST_MEMORY = 6 << 20
_PERIOD = 100_000
"""Microseconds: the kernel's own."""
_NOT_MOUNTED = "or the cgroup is not mounted"
_KERNEL = "Your kernel does not support"


class BadLimits(Invalid):
    """The limits contradict each other, or the host."""


class Rate(msgspec.Struct, frozen=True):
    """A number for one block device: bytes or operations a second, or a weight."""

    path: str
    """The device node, on the host."""
    value: int


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the processes of a container may use together; 0 and empty are no limit."""

    memory: int = 0
    """Bytes."""
    memory_swap: int = 0
    """Bytes of memory and swap together: 0 for twice the memory, -1 for no limit."""
    memory_reservation: int = 0
    """Bytes that it keeps when the host has not enough."""
    memory_swappiness: int | None = None
    """0 to 100: how readily its memory is swapped."""
    oom_kill_disable: bool = False
    """Whether processes wait, and are not killed, when the memory is used up."""
    nano_cpus: int = 0
    """Billionths of a processor."""
    cpu_period: int = 0
    """Microseconds."""
    cpu_quota: int = 0
    """Microseconds of each period, -1 for all."""
    cpu_shares: int = 0
    """Its share when others want to compute too; 1024 is usual."""
    cpuset_cpus: str = ""
    """`0-2,4`."""
    cpuset_mems: str = ""
    pids: int = 0
    """Processes and threads; -1 for no limit."""
    blkio_weight: int = 0
    """10 to 1000: its share of the disks."""
    blkio_weight_device: tuple[Rate, ...] = ()
    read_bps: tuple[Rate, ...] = ()
    write_bps: tuple[Rate, ...] = ()
    read_iops: tuple[Rate, ...] = ()
    write_iops: tuple[Rate, ...] = ()

    @property
    def swap_and_memory(self) -> int:
        """`memory_swap` as it is put in force."""
        return self.memory_swap or 2 * self.memory


NONE = Limits()


class Setting(msgspec.Struct, frozen=True):
    """One line that is written into a control group."""

    controller: str
    ways: tuple[tuple[str, str], ...]
    """Files and what is written: the first file that is there is taken."""
    discarded: str
    """What is told when none is."""
    device: str = ""
    """A device node whose numbers go before the text."""


Version = Literal[1, 2]


def check(limits: Limits, cpus: int) -> None:
    """Raises BadLimits unless the limits go together; the host has so many processors."""
    for wrong, message in (*_memory_faults(limits), *_cpu_faults(limits, cpus)):
        if wrong:
            raise BadLimits(message)
    if limits.blkio_weight and not 10 <= limits.blkio_weight <= 1000:
        raise BadLimits("the range of blkio weight is from 10 to 1000")
    for rate in limits.blkio_weight_device:
        if not 10 <= rate.value <= 1000:
            raise BadLimits(f"the range of blkio weight is from 10 to 1000: {rate.path}")


def _memory_faults(limits: Limits) -> Iterator[tuple[bool, str]]:
    memory, swap, kept = limits.memory, limits.memory_swap, limits.memory_reservation
    yield 0 < memory < _LEAST_MEMORY, "minimum memory limit allowed is 6MB"
    yield (
        memory > 0 and 0 < swap < memory,
        "minimum memoryswap limit should be larger than memory limit",
    )
    yield (
        memory == 0 and swap > 0,
        "you should always set the memory limit when using memoryswap limit",
    )
    swappiness = limits.memory_swappiness
    yield (
        swappiness is not None and not 0 <= swappiness <= 100,
        f"invalid value: {swappiness}, valid memory swappiness range is 0-100",
    )
    yield 0 < kept < _LEAST_MEMORY, "minimum memory reservation allowed is 6MB"
    yield (
        0 < memory < kept,
        "minimum memory limit can not be less than memory reservation limit",
    )


def _cpu_faults(limits: Limits, cpus: int) -> Iterator[tuple[bool, str]]:
    nano, period, quota = limits.nano_cpus, limits.cpu_period, limits.cpu_quota
    yield nano > 0 and period > 0, "conflicting options: --cpus and --cpu-period"
    yield nano > 0 and quota != 0, "conflicting options: --cpus and --cpu-quota"
    yield (
        nano != 0 and not 10**7 <= nano <= cpus * 10**9,
        f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available",
    )
    yield (
        period != 0 and not 1000 <= period <= 1_000_000,
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    )
    yield 0 < quota < 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)"
    yield limits.cpu_shares < 0, f"invalid CPU shares ({limits.cpu_shares}): not below 0"
    for what, text in (("cpus", limits.cpuset_cpus), ("mems", limits.cpuset_mems)):
        yield numbers(text) is None, f"invalid value {text} for cpuset {what}"


def numbers(text: str) -> frozenset[int] | None:
    """`0-2,4` as numbers; None when the text is no such list."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            return None
        low, high = int(first), int(last or first)
        if not low <= high <= 1 << 16:
            return None
        found.update(range(low, high + 1))
    return frozenset(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def settings(limits: Limits, version: Version) -> tuple[Setting, ...]:
    """What is written into a group of that version, in this order."""
    make = (_memory_v1, _cpu_v1, _blkio_v1) if version == 1 else (_memory_v2, _cpu_v2, _io_v2)
    common = (*_cpuset(limits), *_pids(limits))
    return (*make[0](limits), *make[1](limits), *common, *make[2](limits))


def _one(controller: str, file: str, value: int | str, discarded: str, device: str = "") -> Setting:
    return Setting(controller, ((file, str(value)),), discarded, device)


NO_MEMORY = f"{_KERNEL} memory limit capabilities {_NOT_MOUNTED}. Limitation discarded."
NO_SWAP = f"{_KERNEL} swap limit capabilities {_NOT_MOUNTED}. Memory limited without swap."
_NO_RESERVATION = f"{_KERNEL} memory soft limit capabilities {_NOT_MOUNTED}. Limitation discarded."
_NO_SWAPPINESS = (
    f"{_KERNEL} memory swappiness capabilities, {_NOT_MOUNTED}. Memory swappiness discarded."
)
_NO_OOM = f"{_KERNEL} OomKillDisable. OomKillDisable discarded."


def _memory_v1(limits: Limits) -> Iterator[Setting]:
    if limits.memory:
        yield _one("memory", "memory.limit_in_bytes", limits.memory, NO_MEMORY)
    if limits.memory or limits.memory_swap:
        most = limits.swap_and_memory
        yield _one("memory", "memory.memsw.limit_in_bytes", most, NO_SWAP if most >= 0 else "")
    if limits.memory_reservation:
        kept = limits.memory_reservation
        yield _one("memory", "memory.soft_limit_in_bytes", kept, _NO_RESERVATION)
    if limits.memory_swappiness is not None:
        yield _one("memory", "memory.swappiness", limits.memory_swappiness, _NO_SWAPPINESS)
    if limits.oom_kill_disable:
        yield _one("memory", "memory.oom_control", 1, _NO_OOM)


def _memory_v2(limits: Limits) -> Iterator[Setting]:
    if limits.memory:
        yield _one("memory", "memory.max", _or_max(limits.memory), NO_MEMORY)
    if limits.memory or limits.memory_swap:
        most = limits.swap_and_memory
        # Here swap is counted by itself.
        alone = "max" if most < 0 else max(most - max(limits.memory, 0), 0)
        yield _one("memory", "memory.swap.max", alone, NO_SWAP if most >= 0 else "")
    if limits.memory_reservation:
        yield _one("memory", "memory.low", _or_max(limits.memory_reservation), _NO_RESERVATION)
    if limits.memory_swappiness is not None:
        yield Setting("memory", (), _NO_SWAPPINESS)
    if limits.oom_kill_disable:
        yield Setting("memory", (), _NO_OOM)


_NO_SHARES = f"{_KERNEL} CPU shares {_NOT_MOUNTED}. Shares discarded."
_NO_CFS = f"{_KERNEL} CPU CFS scheduler {_NOT_MOUNTED}. CPU period/quota discarded."


def _cpu_v1(limits: Limits) -> Iterator[Setting]:
    if limits.cpu_shares:
        yield _one("cpu", "cpu.shares", limits.cpu_shares, _NO_SHARES)
    quota, period = _bandwidth(limits)
    if period:
        yield _one("cpu", "cpu.cfs_period_us", period, _NO_CFS)
    if quota:
        yield _one("cpu", "cpu.cfs_quota_us", quota, _NO_CFS)


def _cpu_v2(limits: Limits) -> Iterator[Setting]:
    if limits.cpu_shares:
        yield _one("cpu", "cpu.weight", weight_of_shares(limits.cpu_shares), _NO_SHARES)
    quota, period = _bandwidth(limits)
    if quota or period:
        yield _one("cpu", "cpu.max", f"{_or_max(quota or -1)} {period or _PERIOD}", _NO_CFS)


def _bandwidth(limits: Limits) -> tuple[int, int]:
    """Quota and period, in microseconds; 0 for what is not said."""
    if limits.nano_cpus:
        return limits.nano_cpus * _PERIOD // 10**9, _PERIOD
    return limits.cpu_quota, limits.cpu_period


def weight_of_shares(shares: int) -> int:
    """A weight of version 2 (1 to 10000) for shares of version 1 (2 to 262144): the ends meet,
    and 1024 is 100, as either is without a word."""
    import math  # for this alone

    length = math.log2(min(max(shares, 2), 1 << 18))
    return math.ceil(10 ** ((length * length + 125 * length) / 612 - 7 / 34))


_NO_CPUSET = f"{_KERNEL} cpuset {_NOT_MOUNTED}. CPUset discarded."


def _cpuset(limits: Limits) -> Iterator[Setting]:
    if limits.cpuset_cpus:
        yield _one("cpuset", "cpuset.cpus", limits.cpuset_cpus, _NO_CPUSET)
    if limits.cpuset_mems:
        yield _one("cpuset", "cpuset.mems", limits.cpuset_mems, _NO_CPUSET)


_NO_PIDS = f"{_KERNEL} PIDs limit capabilities {_NOT_MOUNTED}. PIDs limit discarded."


def _pids(limits: Limits) -> Iterator[Setting]:
    if limits.pids:
        yield _one("pids", "pids.max", _or_max(limits.pids), _NO_PIDS if limits.pids > 0 else "")


_NO_WEIGHT = f"{_KERNEL} Block I/O weight {_NOT_MOUNTED}. Weight discarded."
_NO_WEIGHT_DEVICE = f"{_KERNEL} Block I/O weight_device {_NOT_MOUNTED}. Weight-device discarded."


def _no_rate(unit: str, direction: str) -> str:
    return (
        f"{_KERNEL} {unit} Block I/O {direction} limit {_NOT_MOUNTED}. "
        f"Block I/O {unit} {direction} limit discarded."
    )


def _rates(limits: Limits) -> Iterator[tuple[str, str, Rate]]:
    yield from (("BPS", "read", rate) for rate in limits.read_bps)
    yield from (("BPS", "write", rate) for rate in limits.write_bps)
    yield from (("IOPS", "read", rate) for rate in limits.read_iops)
    yield from (("IOPS", "write", rate) for rate in limits.write_iops)


def _blkio_v1(limits: Limits) -> Iterator[Setting]:
    if weight := limits.blkio_weight:
        ways = (("blkio.weight", str(weight)), ("blkio.bfq.weight", str(weight)))
        yield Setting("blkio", ways, _NO_WEIGHT)
    for each in limits.blkio_weight_device:
        text = str(each.value)
        ways = (("blkio.weight_device", text), ("blkio.bfq.weight_device", text))
        yield Setting("blkio", ways, _NO_WEIGHT_DEVICE, each.path)
    for unit, direction, rate in _rates(limits):
        file = f"blkio.throttle.{direction}_{unit.lower()}_device"
        yield _one("blkio", file, rate.value, _no_rate(unit, direction), rate.path)


def _io_v2(limits: Limits) -> Iterator[Setting]:
    if weight := limits.blkio_weight:
        ways = (("io.bfq.weight", str(weight)), ("io.weight", str(_io_weight(weight))))
        yield Setting("io", ways, _NO_WEIGHT)
    for each in limits.blkio_weight_device:
        ways = (
            ("io.bfq.weight", str(each.value)),
            ("io.weight", str(_io_weight(each.value))),
        )
        yield Setting("io", ways, _NO_WEIGHT_DEVICE, each.path)
    for unit, direction, rate in _rates(limits):
        text = f"{direction[0]}{unit.lower()}={rate.value}"
        yield _one("io", "io.max", text, _no_rate(unit, direction), rate.path)


def _io_weight(weight: int) -> int:
    """1 to 10000, from 10 to 1000."""
    return 1 + (weight - 10) * 9999 // 990


def _or_max(value: int) -> str:
    return str(value) if value >= 0 else "max"
