"""The answer to a query: a table for people, CSV, JSON.  Pure.

Rows are tuples of Python's values, as `query.sql.Result` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from lamina.report.paper import Cell, Paper
from lamina.text import clip, escape, to_json, width

_GAP = 2
_NARROWEST = 8
_MOST = 1000
"""Characters of a cell: no terminal is wider, and a file's content may be in one."""


def as_text(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], paper: Paper, *, total: int
) -> str:
    """The first rows of an answer that has `total`, as a table.

    Numbers are right-aligned and NULL is empty.  Where the width does not suffice, the
    widest texts give way, numbers and times do not.  All that an image wrote is escaped.
    """
    texts = [[escape(_shown(value)[:_MOST]) for value in row] for row in rows]
    heads = [escape(column) for column in columns]
    right, whole = _by_kind(len(columns), rows)
    values = [max([1, *(width(line[place]) for line in texts)]) for place in range(len(columns))]
    widths = _fitting(
        [max(width(head), wide) for head, wide in zip(heads, values, strict=True)],
        [wide if place in whole else min(wide, _NARROWEST) for place, wide in enumerate(values)],
        paper.width - _GAP * (len(columns) - 1),
    )
    head = paper.write(Cell(_line(heads, widths, right), "head"))
    lines = [head, *(paper.write(Cell(_line(line, widths, right))) for line in texts)]
    rest = total - len(rows)
    if rest:
        noun = "row" if rest == 1 else "rows"
        lines.append(paper.write(Cell(f"… {rest:,} more {noun} (--limit 0 shows all)", "base")))
    return "\n".join(lines) + "\n"


def _line(texts: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    parts = []
    for place, (text, wide) in enumerate(zip(texts, widths, strict=True)):
        shown = clip(text, wide)
        fill = " " * (wide - width(shown))
        parts.append(fill + shown if place in right else shown + fill)
    return (" " * _GAP).join(parts).rstrip(" ")


def _by_kind(count: int, rows: Sequence[Sequence[Any]]) -> tuple[set[int], set[int]]:
    """The columns of numbers, which are right-aligned, and those that mean nothing when they
    are cut: numbers and times."""
    right, whole = set[int](), set[int]()
    for place in range(count):
        values = [row[place] for row in rows if row[place] is not None]
        if values and all(map(_is_number, values)):
            right.add(place)
        if values and all(_is_number(value) or isinstance(value, date) for value in values):
            whole.add(place)
    return right, whole


def _fitting(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that add up to `room`, where that can be: the widest are cut to one length, but
    none below its least."""
    most = max(widths, default=0)
    found = list(widths)
    while sum(found) > room and most > 0:
        most -= 1
        found = [max(low, min(wide, most)) for low, wide in zip(least, widths, strict=True)]
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    return _written(value)


def _written(value: Any) -> str:
    """A value as text that loses nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    value = _json(value)
    return value if isinstance(value, str) else to_json(value)


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The answer as CSV (RFC 4180, but lines end in a line feed), a line at a time, the heads
    first.  Texts are as they are; NULL is empty, and an empty text is `""`."""
    yield ",".join(map(_quoted, columns)) + "\n"
    for row in rows:
        yield ",".join("" if each is None else _quoted(_written(each)) for each in row) + "\n"


def _quoted(text: str) -> str:
    if not text or any(mark in text for mark in ',"\r\n'):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def as_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The answer as a JSON array of objects, a row at a time: times and intervals in ISO
    8601, bytes in hexadecimal digits, what JSON has no number for as null."""
    lines = (
        f"  {to_json({name: _json(value) for name, value in zip(columns, row, strict=True)})}"
        for row in rows
    )
    last = next(lines, None)
    if last is None:
        yield "[]\n"
        return
    yield "[\n"
    for line in lines:
        yield f"{last},\n"
        last = line
    yield f"{last}\n]\n"


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "nanoseconds"):  # an interval, as Arrow has it
        return f"P{value.months}M{value.days}DT{value.nanoseconds / 1e9:g}S"
    if isinstance(value, (list, tuple)):
        return [_json(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def schema_as_text(
    tables: Iterable[tuple[str, str, Sequence[tuple[str, str, str]]]], paper: Paper
) -> str:
    """Tables (name, meaning, columns) and their columns (name, type, meaning), for people."""
    parts = []
    for name, meaning, columns in tables:
        head = paper.write(Cell(name, "head"), Cell(f"   {meaning}"))
        rows = [[Cell(each), Cell(kind, "base"), Cell(text)] for each, kind, text in columns]
        parts.append(f"{head}\n{paper.grid(rows, stretch=2)}")
    return "\n".join(parts)
