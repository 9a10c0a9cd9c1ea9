"""Options that limit a container, as values."""

from __future__ import annotations

from typing import Any

import click
import pytest

from lamina.cli.declared import add
from lamina.cli.run_limits import (
    CHANGEABLE,
    OPTIONS,
    cgroup_parent,
    changes,
    device_rules,
    limits,
    nano_cpus,
    ulimits,
)
from lamina.errors import EngineError
from lamina.linux.cgroup_limits import NONE, Limits, Rate
from lamina.run.spec import Limit

MB = 1 << 20


def given(*words: str) -> dict[str, Any]:
    """What click makes of a command line."""
    command: click.Command = add(OPTIONS)(click.Command("run"))
    return command.make_context("run", list(words)).params


def test_nothing() -> None:
    assert limits(given()) == NONE
    assert cgroup_parent(given()) == ""
    update = add(CHANGEABLE)(click.Command("update")).make_context("update", []).params
    assert changes(update) == NONE


def test_everything() -> None:
    found = limits(
        given(
            *("-m", "64m", "--memory-swap", "-1", "--memory-reservation", "32m"),
            *("--memory-swappiness", "0", "--oom-kill-disable", "--cpus", ".5"),
            *("-c", "512", "--cpuset-cpus", "0", "--pids-limit", "-5", "--blkio-weight", "10"),
            *("--device-read-bps", "/dev/sda:1mb", "--device-write-iops", "/dev/sda:7"),
        )
    )
    assert found == Limits(
        memory=64 * MB,
        memory_swap=-1,
        memory_reservation=32 * MB,
        memory_swappiness=0,
        oom_kill_disable=True,
        nano_cpus=5 * 10**8,
        cpu_shares=512,
        cpuset_cpus="0",
        pids=-1,
        blkio_weight=10,
        read_bps=(Rate("/dev/sda", MB),),
        write_iops=(Rate("/dev/sda", 7),),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("2", 2 * 10**9), ("1.5", 15 * 10**8), (".01", 10**7), ("1.000000001", 10**9 + 1)],
)
def test_processors(text: str, expected: int) -> None:
    assert nano_cpus(text) == expected


@pytest.mark.parametrize("text", ["lots", ".", "-1", "1e3", "1.0000000001", "1,5"])
def test_no_number_of_processors(text: str) -> None:
    with pytest.raises(EngineError, match="processors"):
        nano_cpus(text)


def test_the_rest() -> None:
    assert ulimits(("nofile=1:2", "core=-1")) == (Limit("nofile", 1, 2), Limit("core", -1, -1))
    assert [str(each) for each in device_rules(given("--device-cgroup-rule", "c 1:* r"))] == [
        "c 1:* r"
    ]
    assert cgroup_parent(given("--cgroup-parent", "/a/b/")) == "a/b"


@pytest.mark.parametrize("text", ["..", "a/../b", "a//b", "./a"])
def test_no_parent(text: str) -> None:
    with pytest.raises(EngineError, match="not a control group"):
        cgroup_parent(given("--cgroup-parent", text))


@pytest.mark.parametrize("text", ["sda:1", "/dev/sda", "/dev/sda:", "/dev/sda:x"])
def test_no_rate(text: str) -> None:
    with pytest.raises(EngineError, match="not a"):
        limits(given("--device-read-bps", text))
