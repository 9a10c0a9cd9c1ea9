"""The table of stats, made to fit."""

from __future__ import annotations

import pytest

from lamina.cli.stats import _COLUMNS
from lamina.cli.stats_live import fitted


def row(name: str) -> dict[str, object]:
    return {
        "ID": "3807c1b91161",
        "Name": name,
        "CPUPerc": "100.07%",
        "MemUsage": "1.152MiB / 7.758GiB",
        "MemPerc": "0.01%",
        "NetIO": "1.09kB / 0B",
        "BlockIO": "1.31MB / 4.1kB",
        "PIDs": "1",
    }


ROWS = [row("a-name-that-is-much-longer-than-others"), row("web")]


@pytest.mark.parametrize("wide", range(60, 200))
def test_no_line_is_too_long_and_none_is_without_the_main_things(wide: int) -> None:
    lines = fitted(ROWS, _COLUMNS, wide).splitlines()
    assert max(map(len, lines)) <= wide
    assert all(heading in lines[0] for heading in ("NAME", "CPU %", "MEM USAGE / LIMIT", "PIDS"))
    assert lines[1].split()[-1] == "1", "the last column is whole"


def test_names_are_cut_before_a_column_is_left_out() -> None:
    whole = fitted(ROWS, _COLUMNS, 200)
    wide = max(map(len, whole.splitlines()))
    assert fitted(ROWS, _COLUMNS, wide) == whole
    cut = fitted(ROWS, _COLUMNS, wide - 10)
    assert "a-name-that-is-much-longer-…" in cut
    assert "CONTAINER ID" in cut
    narrow = fitted(ROWS, _COLUMNS, wide - 30)
    assert "CONTAINER ID" not in narrow
    assert "BLOCK I/O" in narrow


def test_nothing_runs() -> None:
    assert fitted([], _COLUMNS, 40).startswith("NAME")
