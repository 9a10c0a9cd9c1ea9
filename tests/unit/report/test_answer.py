"""An answer as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lamina.report.answer import as_csv, as_json, as_text
from lamina.report.paper import Paper
from lamina.text import escape

THEN = datetime(2026, 1, 2, 3, 4, 5)
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.datetimes()
)


def table(columns: list[str], rows: list[tuple[Any, ...]], wide: int = 80, total: int = 0) -> str:
    return as_text(columns, rows, Paper(wide, False, True), total=total or len(rows))


def test_numbers_are_right_aligned_and_null_is_empty() -> None:
    assert table(["n", "text", "b"], [(1, "a", True), (None, None, False), (1000, "", None)]) == (
        "   n  text  b\n   1  a     true\n            false\n1000\n"
    )


def test_what_is_left_out_is_counted() -> None:
    text = table(["a"], [(1,), (2,)], total=1236)
    assert text.splitlines()[-1] == "… 1,234 more rows (--limit 0 shows all)"
    assert "1 more row (" in table(["a"], [(1,)], total=2)


def test_texts_give_way_numbers_and_times_do_not() -> None:
    rows = [("p" * 100, 123_456_789_012, THEN, "short")]
    for wide in (100, 60, 54):
        lines = table(["path", "a long heading", "when", "t"], rows, wide).splitlines()
        assert max(map(len, lines)) <= wide
        assert "123456789012  2026-01-02 03:04:05  short" in lines[1]
    assert "123456789012" in table(["path", "size"], [rows[0][:2]], 5)


def test_values_are_written_for_people() -> None:
    rows = [(1e20, 2.5, 1234567.891, Decimal("1.50"), b"\x01\xff", [1, "x"], {"a": None})]
    line = table([*"abcdefg"], rows).splitlines()[1]
    assert line.split() == ["1e+20", "2.5", "1234567.9", "1.50", "01ff", '[1,"x"]', '{"a":null}']


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.integers(1, 40))
def test_any_value_is_printed_safely(rows: list[tuple[Any, ...]], wide: int) -> None:
    for line in table(["a\x1b", "b"], rows, wide).split("\n"):
        assert escape(line) == line
    json.loads("".join(as_json(["a", "b"], rows)))


@given(st.lists(st.tuples(st.text(), st.text(min_size=1)), max_size=5))
def test_csv_is_read_back(rows: list[tuple[str, str]]) -> None:
    text = "".join(as_csv(["a", 'b"'], rows))
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert found == [["a", 'b"'], *map(list, rows)]


def test_csv_tells_null_from_an_empty_text() -> None:
    assert list(as_csv(["a", "b"], [(None, ""), (THEN, 1.5)])) == [
        "a,b\n",
        ',""\n',
        "2026-01-02 03:04:05,1.5\n",
    ]


def test_json_has_no_number_that_is_none() -> None:
    rows = [(float("nan"), Decimal("1.5"), date(2026, 1, 2), b"\xff")]
    assert json.loads("".join(as_json([*"abcd"], rows))) == [
        {"a": None, "b": 1.5, "c": "2026-01-02", "d": "ff"}
    ]
    assert "".join(as_json(["a"], [])) == "[]\n"
