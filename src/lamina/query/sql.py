"""SQL over a store: images, layers, files and what else `schema` lists, as DuckDB's tables.

Only what a query reads is read: the tables are empty at first, DuckDB says which of their
columns it wants, and these are filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from lamina.errors import Unsupported
from lamina.query.schema import TABLES
from lamina.query.source import Source
from lamina.store.contract import Store

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import pyarrow as pa  # type: ignore[import-untyped]


class NoSql(Unsupported):
    """DuckDB or Arrow is not installed."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"queries need {missing}, which is not installed", hint="pip install 'lamina[sql]'"
        )


class Result:
    """The answer to a query."""

    def __init__(self, table: pa.Table, warnings: Sequence[str]) -> None:
        self._table = table
        self.warnings = tuple(warnings)
        """A sentence for each damaged image, or container, that is missing from it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names, each another."""
        return tuple(self._table.column_names)

    def arrow(self) -> pa.Table:
        """As Arrow.  Sums of bytes are 64-bit integers wherever they fit."""
        return self._table

    def df(self) -> pd.DataFrame:
        """As a DataFrame.  Raises NoSql when pandas is not installed."""
        try:
            return self._table.to_pandas()
        except ModuleNotFoundError as error:
            raise NoSql(error.name or "pandas") from None

    def rows(self, count: int | None = None) -> list[tuple[Any, ...]]:
        """As Python's values, a tuple for each row; the first `count` alone, if that is given."""
        table = self._table if count is None else self._table.slice(0, count)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def write_parquet(self, stream: BinaryIO) -> None:
        """As a Parquet file."""
        from pyarrow import parquet

        parquet.write_table(self._table, stream, compression="zstd")

    def __len__(self) -> int:
        rows: int = self._table.num_rows
        return rows


def query(store: Store, sql: str) -> Result:
    """Answer one SELECT (or WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW).

    It reads the store alone, whatever it says.  A damaged image is left out of the tables
    that cannot be had of it, and named in `Result.warnings`.  Raises BadQuery, and NoSql
    when the extra `sql` is not installed.
    """
    try:
        from lamina.query.database import Database
        from lamina.query.fill import schemas, table
    except ModuleNotFoundError as error:
        raise NoSql(error.name or "duckdb") from None
    named = {each.name: each for each in TABLES}
    database = Database(named, schemas())
    statement = database.statement(sql)
    source = Source(store)
    for name, wanted in database.used(statement).items():
        database.fill(name, table(source, name, wanted))
    return Result(_plain(database.run(statement)), source.warnings)


def _plain(table: pa.Table) -> pa.Table:
    """The answer with names that are distinct, and with DuckDB's sums of integers, which have
    128 bits and are decimals to Arrow, as 64-bit integers where every value fits."""
    from lamina.query.arrays import HUGE, plain_integers

    table = table.rename_columns(_distinct(table.column_names))
    for place, field in enumerate(table.schema):
        if field.type == HUGE:
            table = table.set_column(place, field.name, plain_integers(table.column(place)))
    return table


def _distinct(names: Sequence[str]) -> list[str]:
    """Names as DuckDB tells those of a subquery apart: `path`, `path_1`."""
    found: list[str] = []
    for name in names:
        number, chosen = 0, name
        while chosen in found:
            number += 1
            chosen = f"{name}_{number}"
        found.append(chosen)
    return found
