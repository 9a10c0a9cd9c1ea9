"""What the tables are filled with, as Arrow."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa  # type: ignore[import-untyped]

from lamina.query import files, tables
from lamina.query.schema import TABLES
from lamina.query.source import Source

_TYPES = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
}


def schemas() -> dict[str, pa.Schema]:
    """The sources of every table."""
    found = {}
    for table in TABLES:
        if table.name == "files":
            found[table.name] = pa.schema(list(files.SOURCES.items()))
        else:
            types = {column.name: _TYPES[column.type] for column in table.columns}
            found[table.name] = pa.schema([(each, types[each]) for each in table.sources])
    return found


def table(source: Source, name: str, wanted: Collection[str]) -> pa.Table:
    """The wanted sources of a table."""
    if name == "files":
        return files.files(source, wanted)
    schema = schemas()[name]
    columns: dict[str, list[object]] = {each: [] for each in schema.names if each in wanted}
    for row in tables.TABLES[name](source):
        for each, values in columns.items():
            value = row[each]
            values.append(_text(value() if callable(value) else value))
    return pa.table(columns, pa.schema([schema.field(each) for each in columns]))


def _text(value: object) -> object:
    """A text that Arrow takes: bytes that are no UTF-8 are written out."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value
