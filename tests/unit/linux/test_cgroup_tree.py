"""Which hierarchies a host has, on directories that look like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.linux.cgroup_group import Group
from lamina.linux.cgroup_limits import Limits
from lamina.linux.cgroup_tree import Hierarchy, delegate, hierarchies

MB = 1 << 20


def mounted(place: Path, *files: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name in ("cgroup.procs", *files):
        (place / name).touch()
    return place


def version_2(place: Path, controllers: str) -> Path:
    mounted(place, "cgroup.subtree_control")
    (place / "cgroup.controllers").write_text(controllers)
    return place


def test_version_1(tmp_path: Path) -> None:
    """Controllers that are mounted together are one hierarchy."""
    mounted(tmp_path / "cpu,cpuacct")
    for name in ("cpu", "cpuacct"):
        (tmp_path / name).symlink_to("cpu,cpuacct")
    mounted(tmp_path / "memory")
    mounted(tmp_path / "net_cls")
    (tmp_path / "pids").mkdir()
    assert hierarchies(str(tmp_path)) == [
        Hierarchy(f"{tmp_path}/memory", 1, frozenset({"memory"})),
        Hierarchy(f"{tmp_path}/cpu,cpuacct", 1, frozenset({"cpu", "cpuacct"})),
    ]


def test_version_2(tmp_path: Path) -> None:
    """It holds, counts and has devices without a controller."""
    version_2(tmp_path, "cpu io memory pids rdma\n")
    [found] = hierarchies(str(tmp_path))
    assert (found.base, found.version) == (str(tmp_path), 2)
    assert found.controllers == {
        *("cpu", "blkio", "memory", "pids"),
        *("freezer", "devices", "cpuacct"),
    }


def test_both(tmp_path: Path) -> None:
    """Version 2 is used for what version 1 does not have."""
    for name in ("freezer", "devices", "cpuacct", "memory"):
        mounted(tmp_path / name)
    version_2(tmp_path / "unified", "")
    assert {each.version for each in hierarchies(str(tmp_path))} == {1}
    version_2(tmp_path / "unified", "memory pids\n")
    assert hierarchies(str(tmp_path))[-1] == Hierarchy(
        f"{tmp_path}/unified", 2, frozenset({"pids"})
    )


def test_none(tmp_path: Path) -> None:
    assert hierarchies(str(tmp_path / "no")) == []
    assert hierarchies(str(tmp_path)) == []


def test_a_user_has_what_was_delegated(tmp_path: Path) -> None:
    """The highest group on the way to our own that may be written to."""
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/user.slice/user@1/app.slice/x.scope\n")
    top = version_2(tmp_path / "cgroup", "memory pids")
    ours = version_2(top / "user.slice" / "user@1", "memory pids")
    version_2(ours / "app.slice", "memory")
    for place in (top, top / "user.slice"):
        place.chmod(0o500)
    try:
        if os.access(top, os.W_OK):
            pytest.skip("root may write everywhere")
        [found] = hierarchies(str(top), str(proc))
        assert found.base == str(ours)
    finally:
        top.chmod(0o700)
        (top / "user.slice").chmod(0o700)


def test_what_is_handed_down(tmp_path: Path) -> None:
    base = version_2(tmp_path, "cpu memory pids")
    (base / "cgroup.subtree_control").write_text("memory")
    version_2(base / "lamina", "memory")
    delegate(str(base), ["lamina"], ["memory", "cpu"], move=False)
    # What is on already is left alone; the kernel adds to it, these are only files.
    assert (base / "cgroup.subtree_control").read_text() == "+cpury"
    assert (base / "lamina" / "cgroup.subtree_control").read_text() == "+memory"


def test_limits_of_version_2(tmp_path: Path) -> None:
    """A host like today's distributions: every limit has its file in one group."""
    base = version_2(tmp_path, "cpu cpuset io memory pids")
    files = ("memory.max", "memory.swap.max", "cpu.max", "pids.max", "io.weight", "cpu.weight")
    group = mounted(base / "lamina" / "x", *files, "memory.low", "cpuset.cpus")
    limits = Limits(
        memory=64 * MB,
        memory_reservation=8 * MB,
        nano_cpus=5 * 10**8,
        cpu_shares=1024,
        pids=10,
        blkio_weight=10,
    )
    assert Group((str(group),)).update(limits, str(base)) == ()
    assert {name: (group / name).read_text() for name in files} == {
        "memory.max": str(64 * MB),
        "memory.swap.max": str(64 * MB),
        "cpu.max": "50000 100000",
        "pids.max": "10",
        "io.weight": "1",
        "cpu.weight": "100",
    }


def test_limits_of_version_1_without_swap(tmp_path: Path) -> None:
    """As where the kernel does not count swap: told once, and memory is limited."""
    group = mounted(mounted(tmp_path / "memory") / "lamina" / "x", "memory.limit_in_bytes")
    warnings = Group((str(group),)).update(Limits(memory=64 * MB, pids=5), str(tmp_path))
    assert warnings == (
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
        "Memory limited without swap.",
        "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
        "PIDs limit discarded.",
    )
    assert (group / "memory.limit_in_bytes").read_text() == str(64 * MB)
