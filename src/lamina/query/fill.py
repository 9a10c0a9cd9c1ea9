"""What the tables are filled with, as Arrow."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa  # type: ignore[import-untyped]

from lamina.query import files, tables
from lamina.query.arrays import MAKERS
from lamina.query.schema import TABLES, Table
from lamina.query.source import Source


def schemas() -> dict[str, pa.Schema]:
    """The sources of every table."""
    found = {}
    for table in TABLES:
        if table.name == "files":
            found[table.name] = pa.schema(list(files.SOURCES.items()))
        else:
            types = {column.name: MAKERS[column.type][0] for column in table.columns}
            found[table.name] = pa.schema([(each, types[each]) for each in table.sources])
    return found


def table(source: Source, name: str, wanted: Collection[str]) -> pa.Table:
    """The wanted sources of a table."""
    if name == "files":
        return files.files(source, wanted)
    columns: dict[str, list[object]] = {
        column.name: [] for column in _table(name).columns if column.name in wanted
    }
    for row in tables.TABLES[name](source):
        for each, values in columns.items():
            value = row[each]
            values.append(value() if callable(value) else value)
    types = {column.name: column.type for column in _table(name).columns}
    arrays = [MAKERS[types[each]][1](values) for each, values in columns.items()]
    return pa.Table.from_arrays(arrays, list(columns))


def _table(name: str) -> Table:
    return next(table for table in TABLES if table.name == name)
