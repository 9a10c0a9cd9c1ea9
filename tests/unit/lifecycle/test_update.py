"""New limits over old ones."""

from __future__ import annotations

from lamina.lifecycle.update import over
from lamina.linux.cgroup_limits import Limits, Rate


def test_what_is_left_out_stays() -> None:
    old = Limits(memory=1, pids=5, read_bps=(Rate("/dev/sda", 1),), memory_swappiness=0)
    assert over(old, Limits()) == old
    assert over(old, Limits(pids=-1)) == Limits(
        memory=1, pids=-1, read_bps=(Rate("/dev/sda", 1),), memory_swappiness=0
    )


def test_processors_and_a_quota_take_each_others_place() -> None:
    quota, processors = Limits(cpu_quota=5000, cpu_period=10_000), Limits(nano_cpus=10**9)
    assert over(quota, processors) == processors
    assert over(processors, quota) == quota
    assert over(quota, Limits(cpu_quota=6000)) == Limits(cpu_quota=6000, cpu_period=10_000)
