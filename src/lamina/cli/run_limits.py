"""What a container may use, on `run`, `create` and `update`: limits, resource limits, rules
for devices."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lamina.cli.declared import Option
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.linux.cgroup_limits import Limits, Rate
    from lamina.linux.devices import DeviceRule
    from lamina.run.spec import Limit

_DECIMAL = r"(\d*)(?:\.(\d*))?"


class BadLimitOption(Invalid):
    """An option that limits a container makes no sense."""


CHANGEABLE = (
    Option("-m", "--memory", metavar="SIZE", help="The memory that it may use: 512m."),
    Option(
        "--memory-swap",
        metavar="SIZE",
        help="Memory and swap together; -1 for any amount (default: twice the memory).",
    ),
    Option("--memory-reservation", metavar="SIZE", help="Memory that it keeps when short."),
    Option("--cpus", metavar="NUMBER", help="The processors that it may keep busy: 1.5."),
    Option("--cpu-period", kind="number", default=0, metavar="MICROSECONDS", help="See quota."),
    Option(
        "--cpu-quota",
        kind="number",
        default=0,
        metavar="MICROSECONDS",
        help="Of each period that it may compute.",
    ),
    Option(
        "-c",
        "--cpu-shares",
        kind="number",
        default=0,
        metavar="NUMBER",
        help="Its share of busy processors (1024).",
    ),
    Option("--cpuset-cpus", default="", metavar="LIST", help="Processors: 0-3,5."),
    Option("--cpuset-mems", default="", metavar="LIST", help="Memory nodes: 0,1."),
    Option(
        "--pids-limit",
        kind="number",
        default=0,
        metavar="NUMBER",
        help="Processes and threads that it may have; -1 for any number.",
    ),
    Option(
        "--blkio-weight",
        kind="number",
        default=0,
        metavar="NUMBER",
        help="Its share of the disks, 10 to 1000.",
    ),
)
_FOR_LIFE = (
    Option(
        "--memory-swappiness",
        kind="number",
        default=-1,
        metavar="0-100",
        help="How readily its memory is swapped.",
    ),
    Option("--oom-kill-disable", kind="flag", help="Let processes wait when memory is used up."),
    Option("--blkio-weight-device", multiple=True, metavar="DEVICE:WEIGHT", help="Of one disk."),
    Option("--device-read-bps", multiple=True, metavar="DEVICE:SIZE", help="Bytes read a second."),
    Option(
        "--device-write-bps", multiple=True, metavar="DEVICE:SIZE", help="Bytes written a second."
    ),
    Option("--device-read-iops", multiple=True, metavar="DEVICE:NUMBER", help="Reads a second."),
    Option("--device-write-iops", multiple=True, metavar="DEVICE:NUMBER", help="Writes a second."),
    Option(
        "--ulimit",
        name="ulimits",
        multiple=True,
        metavar="NAME=SOFT[:HARD]",
        help="A resource limit of its processes: nofile=1024:4096.",
    ),
    Option(
        "--device-cgroup-rule",
        name="device_rules",
        multiple=True,
        metavar="RULE",
        help="Devices that it may use: 'c 42:* rwm'.",
    ),
    Option(
        "--cgroup-parent", default="", metavar="PATH", help="The control group to make its own in."
    ),
)
OPTIONS = (*CHANGEABLE, *_FOR_LIFE)
"""Of a container that is made; `CHANGEABLE` can be changed while it runs."""


def limits(given: Mapping[str, Any]) -> Limits:
    """What the options say, checked.  Raises BadLimitOption, BadLimits, BadSize."""
    from lamina.linux.cgroup_limits import check

    found = changes(given)
    check(found, processors())
    return found


def changes(given: Mapping[str, Any]) -> Limits:
    """What the options say, by itself not checked: `update` puts it over what was there."""
    from lamina.linux.cgroup_limits import Limits

    swappiness = given.get("memory_swappiness", -1)
    return Limits(
        memory=_size(given["memory"]),
        memory_swap=_swap(given["memory_swap"]),
        memory_reservation=_size(given["memory_reservation"]),
        memory_swappiness=None if swappiness == -1 else swappiness,
        oom_kill_disable=given.get("oom_kill_disable", False),
        nano_cpus=nano_cpus(given["cpus"]),
        cpu_period=given["cpu_period"],
        cpu_quota=given["cpu_quota"],
        cpu_shares=given["cpu_shares"],
        cpuset_cpus=given["cpuset_cpus"],
        cpuset_mems=given["cpuset_mems"],
        pids=max(given["pids_limit"], -1),
        blkio_weight=given["blkio_weight"],
        blkio_weight_device=_rates(given.get("blkio_weight_device", ()), _whole),
        read_bps=_rates(given.get("device_read_bps", ()), _size),
        write_bps=_rates(given.get("device_write_bps", ()), _size),
        read_iops=_rates(given.get("device_read_iops", ()), _whole),
        write_iops=_rates(given.get("device_write_iops", ()), _whole),
    )


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def nano_cpus(text: str | None) -> int:
    """`1.5` in billionths.  Raises BadLimitOption."""
    if not text:
        return 0
    found = re.fullmatch(_DECIMAL, text.strip())
    if found is None or not (found[1] or found[2]):
        raise BadLimitOption(f"not a number of processors: {text!r}", hint="write e.g. 1.5")
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > 9:
        raise BadLimitOption(f"the number of processors {text!r} is too precise")
    return int(found[1] or "0") * 10**9 + int(fraction.ljust(9, "0"))


def _size(text: str | None) -> int:
    from lamina.plan.sizes import size_in_bytes

    return size_in_bytes(text) if text else 0


def _swap(text: str | None) -> int:
    return -1 if text == "-1" else _size(text)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadLimitOption(f"not a number: {text!r}")
    return int(text)


def _rates(texts: Iterable[str], number: Callable[[str], int]) -> tuple[Rate, ...]:
    from lamina.linux.cgroup_limits import Rate

    found = []
    for text in texts:
        path, colon, value = text.rpartition(":")
        if not colon or not value or not path.startswith("/dev/"):
            hint = "write the path of a device and a number: /dev/sda:1mb"
            raise BadLimitOption(f"not a limit for a device: {text!r}", hint=hint)
        found.append(Rate(path, number(value)))
    return tuple(found)


def ulimits(texts: Iterable[str]) -> tuple[Limit, ...]:
    """`nofile=1024:4096`, each.  Raises BadLimitOption."""
    return tuple(_ulimits(texts))


def _ulimits(texts: Iterable[str]) -> Iterator[Limit]:
    from lamina.linux.rlimit import NAMES
    from lamina.run.spec import Limit

    for text in texts:
        name, _, values = text.partition("=")
        numbers = values.split(":")
        if name not in NAMES or len(numbers) > 2 or not all(map(_is_limit, numbers)):
            known = ", ".join(sorted(NAMES))
            hint = "write nofile=1024:4096" if name in NAMES else f"the names are {known}"
            raise BadLimitOption(f"not a resource limit: {text!r}", hint=hint)
        soft, hard = int(numbers[0]), int(numbers[-1])
        if hard >= 0 and (soft < 0 or soft > hard):
            raise BadLimitOption(f"not a resource limit: {text!r}", hint="the second is the larger")
        yield Limit(name, soft, hard)


def _is_limit(text: str) -> bool:
    return text == "-1" or (text.isascii() and text.isdigit())


def device_rules(given: Mapping[str, Any]) -> tuple[DeviceRule, ...]:
    """`--device-cgroup-rule`.  Raises BadDevice."""
    from lamina.linux.devices import parse_rule

    return tuple(map(parse_rule, given["device_rules"]))


def cgroup_parent(given: Mapping[str, Any]) -> str:
    """`--cgroup-parent`, without slashes at its ends.  Raises BadLimitOption."""
    text = str(given["cgroup_parent"]).strip("/")
    if any(part in ("", ".", "..") for part in text.split("/")[: len(text)]):
        raise BadLimitOption(f"not a control group: {text!r}")
    return text
