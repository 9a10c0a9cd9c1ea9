"""Limits: what goes together, and what is written for them."""

from __future__ import annotations

import msgspec
import pytest

from lamina.linux.cgroup_limits import (
    NONE,
    BadLimits,
    Limits,
    Rate,
    Version,
    check,
    numbers,
    settings,
    weight_of_shares,
)

MB = 1 << 20


def written(limits: Limits, version: Version) -> dict[str, str]:
    """The first way of every setting."""
    return dict(each.ways[0] for each in settings(limits, version) if each.ways)


@pytest.mark.parametrize(
    "limits",
    [
        NONE,
        Limits(memory=6 * MB),
        Limits(memory=64 * MB, memory_swap=64 * MB),
        Limits(memory=64 * MB, memory_swap=-1),
        Limits(memory=64 * MB, memory_reservation=64 * MB),
        Limits(nano_cpus=10**7),
        Limits(nano_cpus=2 * 10**9),
        Limits(cpu_period=1000, cpu_quota=1000),
        Limits(cpu_quota=-1),
        Limits(cpuset_cpus="0-1,7", memory_swappiness=0, pids=-1, blkio_weight=10),
    ],
)
def test_limits_that_go_together(limits: Limits) -> None:
    check(limits, 2)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(memory=6 * MB - 1), "minimum memory limit allowed is 6MB"),
        (Limits(memory=64 * MB, memory_swap=63 * MB), "memoryswap limit should be larger"),
        (Limits(memory_swap=64 * MB), "always set the memory limit"),
        (Limits(memory_reservation=MB), "minimum memory reservation"),
        (Limits(memory=64 * MB, memory_reservation=65 * MB), "less than memory reservation"),
        (Limits(memory_swappiness=101), "valid memory swappiness range is 0-100"),
        (Limits(nano_cpus=2 * 10**9 + 1), "range of CPUs is from 0.01 to 2.00"),
        (Limits(nano_cpus=10**7 - 1), "as there are only 2 CPUs available"),
        (Limits(nano_cpus=10**9, cpu_quota=1000), "conflicting options: --cpus and --cpu-quota"),
        (Limits(nano_cpus=10**9, cpu_period=1000), "--cpus and --cpu-period"),
        (Limits(cpu_period=999), "cfs period can not be less"),
        (Limits(cpu_period=1_000_001), "cfs period can not be less"),
        (Limits(cpu_quota=999), "cfs quota can not be less"),
        (Limits(cpu_shares=-1), "invalid CPU shares"),
        (Limits(cpuset_cpus="1-"), "invalid value 1- for cpuset cpus"),
        (Limits(cpuset_mems="a"), "invalid value a for cpuset mems"),
        (Limits(blkio_weight=9), "blkio weight is from 10 to 1000"),
        (Limits(blkio_weight_device=(Rate("/dev/sda", 1001),)), "10 to 1000: /dev/sda"),
    ],
)
def test_limits_that_do_not(limits: Limits, problem: str) -> None:
    with pytest.raises(BadLimits, match=problem):
        check(limits, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("0", {0}),
        ("0-2,4\n", {0, 1, 2, 4}),
        ("2-1", None),
        ("-1", None),
        ("x", None),
        ("0-9999999", None),
    ],
)
def test_lists_of_numbers(text: str, expected: set[int] | None) -> None:
    assert numbers(text) == expected


def test_no_limits_write_nothing() -> None:
    assert settings(NONE, 1) == settings(NONE, 2) == ()


def test_memory() -> None:
    """Version 1 counts swap with memory, version 2 by itself; twice the memory unless said."""
    assert written(Limits(memory=64 * MB, memory_reservation=8 * MB), 1) == {
        "memory.limit_in_bytes": str(64 * MB),
        "memory.memsw.limit_in_bytes": str(128 * MB),
        "memory.soft_limit_in_bytes": str(8 * MB),
    }
    assert written(Limits(memory=64 * MB, memory_swap=96 * MB), 2) == {
        "memory.max": str(64 * MB),
        "memory.swap.max": str(32 * MB),
    }
    assert written(Limits(memory=64 * MB, memory_swap=64 * MB), 2)["memory.swap.max"] == "0"
    assert written(Limits(memory=64 * MB, memory_swap=-1), 1)["memory.memsw.limit_in_bytes"] == "-1"
    assert written(Limits(memory=64 * MB, memory_swap=-1), 2)["memory.swap.max"] == "max"


def test_what_version_2_does_not_have_is_told() -> None:
    found = settings(Limits(memory_swappiness=0, oom_kill_disable=True), 2)
    assert [each.ways for each in found] == [(), ()]
    assert all("discarded" in each.discarded for each in found)


def test_processors() -> None:
    assert written(Limits(nano_cpus=1_500_000_000), 1) == {
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "150000",
    }
    assert written(Limits(nano_cpus=1_500_000_000), 2) == {"cpu.max": "150000 100000"}
    assert written(Limits(cpu_period=50_000), 2) == {"cpu.max": "max 50000"}
    assert written(Limits(cpu_quota=20_000), 2) == {"cpu.max": "20000 100000"}
    assert written(Limits(cpu_shares=512, cpuset_cpus="0"), 1) == {
        "cpu.shares": "512",
        "cpuset.cpus": "0",
    }


@pytest.mark.parametrize(
    ("shares", "weight"), [(2, 1), (1024, 100), (262144, 10000), (1, 1), (1 << 20, 10000)]
)
def test_shares_as_weights(shares: int, weight: int) -> None:
    assert weight_of_shares(shares) == weight


def test_disks() -> None:
    limits = Limits(
        blkio_weight=500,
        blkio_weight_device=(Rate("/dev/sda", 300),),
        read_bps=(Rate("/dev/sda", MB),),
        write_iops=(Rate("/dev/sdb", 10),),
    )
    first, second, *rates = settings(limits, 1)
    assert first.ways == (("blkio.weight", "500"), ("blkio.bfq.weight", "500"))
    assert second.device == "/dev/sda"
    assert [(each.ways, each.device) for each in rates] == [
        ((("blkio.throttle.read_bps_device", str(MB)),), "/dev/sda"),
        ((("blkio.throttle.write_iops_device", "10"),), "/dev/sdb"),
    ]
    first, _, *rates = settings(limits, 2)
    assert first.ways == (("io.bfq.weight", "500"), ("io.weight", "4950"))
    assert [each.ways for each in rates] == [
        (("io.max", f"rbps={MB}"),),
        (("io.max", "wiops=10"),),
    ]


def test_they_are_kept_as_json() -> None:
    limits = Limits(memory=64 * MB, read_bps=(Rate("/dev/sda", 1),))
    assert msgspec.json.decode(msgspec.json.encode(limits), type=Limits) == limits
    assert msgspec.to_builtins(NONE) == {}
