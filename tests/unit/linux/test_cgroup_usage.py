"""What a group has used, from the texts of its files."""

from __future__ import annotations

from lamina.linux.cgroup_usage import Usage, oom_kills, usage

V1 = {
    "cpuacct.usage": "1234567\n",
    "cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 99\n",
    "memory.usage_in_bytes": "10000\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.stat": "inactive_file 1\ntotal_inactive_file 4000\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "pids.current": "7\n",
    "pids.max": "max\n",
    "blkio.throttle.io_service_bytes_recursive": (
        "254:0 Read 4096\n254:0 Write 8192\n254:0 Total 12288\n8:0 Read 1\nTotal 12289\n"
    ),
}
V2 = {
    "cpu.stat": "usage_usec 1500\nuser_usec 1\nnr_throttled 3\n",
    "memory.current": "10000\n",
    "memory.max": "67108864\n",
    "memory.stat": "anon 1\ninactive_file 4000\n",
    "memory.events": "oom 1\noom_kill 1\n",
    "pids.current": "7\n",
    "pids.max": "20\n",
    "io.stat": "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2\n8:0 rbytes=1 wbytes=0\n",
}


def test_version_1() -> None:
    found = usage(lambda name: V1.get(name, ""))
    assert found == Usage(1234567, 6000, 0, 4000, 7, 0, 4097, 8192, 3)
    assert oom_kills(lambda name: V1.get(name, "")) == 2


def test_version_2() -> None:
    found = usage(lambda name: V2.get(name, ""))
    assert found == Usage(1_500_000, 6000, 64 << 20, 4000, 7, 20, 4097, 8192, 3)
    assert oom_kills(lambda name: V2.get(name, "")) == 1


def test_what_is_not_counted() -> None:
    assert usage(lambda _: "") == Usage(0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert oom_kills(lambda _: "") == 0


def test_more_cache_than_memory() -> None:
    """The files are read one after the other."""
    files = {"memory.current": "10", "memory.stat": "inactive_file 20"}
    assert usage(lambda name: files.get(name, "")).memory == 10
