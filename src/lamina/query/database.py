"""DuckDB, shut in: tables in memory, one SELECT, no file, no network, no extension."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from lamina.errors import Invalid
from lamina.query.schema import Table
from lamina.text import escape

T = TypeVar("T")

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # no names of Python's variables
    "temp_directory": "",  # nothing is left in the directory that somebody works in
    "lock_configuration": "true",
}
_KIND = re.compile(r"[A-Z][A-Za-z ]* Error: ")
_PLACE = re.compile(r"^LINE \d+: ", re.MULTILINE)


class BadQuery(Invalid):
    """A query that DuckDB, or this module, refuses."""


class Database:
    """The tables of `schema`, empty until they are filled."""

    def __init__(self, tables: Mapping[str, Table], schemas: Mapping[str, pa.Schema]) -> None:
        self._tables = tables
        self._connection = duckdb.connect(":memory:", config=_SETTINGS)
        for name, schema in schemas.items():
            # (Not empty_table(), which brings pandas.)
            rows = self._rows(name, pa.Table.from_batches([], schema))
            # A condition, so that a query that reads no column of the table reads this one.
            first = tables[name].source_column(schema.names[0])
            self._show(name, rows.filter(f"{first} IS NOT NULL"), schema.names)

    def fill(self, name: str, content: pa.Table) -> None:
        """Let a table hold `content`: some of its sources; columns without theirs are NULL."""
        self._show(name, self._rows(name, content), content.column_names)

    def _rows(self, name: str, content: pa.Table) -> duckdb.DuckDBPyRelation:
        called = map(self._tables[name].source_column, content.column_names)
        return self._connection.from_arrow(content.rename_columns(list(called)))

    def _show(self, name: str, rows: duckdb.DuckDBPyRelation, sources: Sequence[str]) -> None:
        table = self._tables[name]
        there = {source: table.source_column(source) for source in sources}
        columns = [
            f'{column.made_of.format(**there)} AS "{column.name}"'
            if there.keys() >= set(column.sources)
            else f'NULL::{column.type} AS "{column.name}"'
            for column in table.columns
        ]
        rows.project(", ".join(columns)).create_view(name, replace=True)

    def used(self, query: str) -> dict[str, set[str]]:
        """The sources of each table that a query reads.  Raises BadQuery."""
        plan = self._plan(query)
        found = {}
        for name, table in self._tables.items():
            wanted = {each for each in table.sources if table.source_column(each) in plan}
            if wanted:
                found[name] = wanted
        return found

    def _plan(self, query: str) -> str:
        # On a line of its own, so that errors quote the query alone.
        explain = f"EXPLAIN (FORMAT JSON)\n{query}"
        return _told(lambda: "\n".join(self._connection.execute(explain).fetchone() or ()))

    def statement(self, text: str) -> str:
        """The one SELECT in a text.  Raises BadQuery when it is another, none, or several."""
        found = _told(lambda: self._connection.extract_statements(text))
        if not found:
            raise BadQuery("the query is empty", hint="lamina sql   (shows the tables)")
        if len(found) > 1:
            raise BadQuery("more than one statement", hint="ask one query at a time")
        if found[0].type != duckdb.StatementType.SELECT:
            raise BadQuery(
                "not a query that reads",
                hint="only SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE and SHOW are taken",
            )
        query: str = found[0].query
        return query.strip().removesuffix(";")

    def run(self, query: str) -> pa.Table:
        """The answer.  Raises BadQuery, also for what goes wrong half-way."""
        return _told(lambda: self._connection.sql(query).to_arrow_table())


def _told(work: Callable[[], T]) -> T:
    """Do something that raises DuckDB's errors; they come out as BadQuery."""
    try:
        return work()
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        raise _bad_query(str(error)) from None


def _bad_query(message: str) -> BadQuery:
    """DuckDB's message: its first line says what, the others what to do, or where with a caret."""
    first, _, rest = message.partition("\n")
    what = escape(_KIND.sub("", first, count=1)).rstrip("!.")
    where = _PLACE.search(rest)
    advice = rest[: where.start()] if where else rest
    lines = [_small(escape(line)) for line in advice.splitlines() if line.strip()]
    if where:
        lines += _excerpt(rest[where.start() :], len(where[0]))
    return BadQuery(_small(what), hint="\n  ".join(lines))


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _excerpt(text: str, indent: int) -> list[str]:
    """The line of the query that DuckDB quotes, and its carets."""
    quoted, _, carets = text.partition("\n")
    shown = "".join(mark if mark.isprintable() else " " for mark in quoted[indent:])
    return [f"│ {shown}", f"│ {carets.splitlines()[0][indent:]}" if carets else "│"]
