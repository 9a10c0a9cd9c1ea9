"""Rates and sums, from what was read."""

from __future__ import annotations

import msgspec
import pytest

from lamina.cli.stats import binary_size
from lamina.lifecycle.stats import Sample, count_traffic, processors
from lamina.linux.cgroup_usage import Usage

NOTHING = Usage(0, 0, 0, 0, 0, 0, 0, 0, 0)


def test_traffic() -> None:
    text = (
        "Inter-|   Receive                            |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
        "    lo:   99    1 0 0 0 0 0 0   99    1 0 0 0 0 0 0\n"
        "  eth0: 1000    9 0 0 0 0 0 0  200    3 0 0 0 0 0 0\n"
        "eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"
    )
    assert count_traffic(text) == (1001, 202)


def test_busy_processors() -> None:
    def at(moment: int, cpu: int) -> Sample:
        return Sample(moment, msgspec.structs.replace(NOTHING, cpu=cpu), 0, 0)

    assert processors(at(0, 100), at(1000, 1600)) == 1.5
    assert processors(at(0, 100), at(0, 100)) == 0
    assert processors(at(0, 100), at(1000, 0)) == 0, "it was started again meanwhile"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1536, "1.5KiB"),
        (64 << 20, "64MiB"),
        (7_890_123_456, "7.348GiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert binary_size(size) == text
