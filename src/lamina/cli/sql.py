"""`lamina sql`: ask the store with SQL."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from lamina.cli.app import App
from lamina.cli.format import emit, escape
from lamina.cli.reports import paper

if TYPE_CHECKING:
    from lamina.query.sql import Result

_ENDLESS = 1 << 20
"""Columns: in a pipe nothing is cut."""


@click.command(
    epilog="Example: lamina sql \"select path, size from files where not visible and type = 'file'"
    ' order by size desc limit 10"'
)
@click.argument("query", metavar="[QUERY|-]", required=False)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    help="How to print the answer.",
)
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to a file.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Rows of a table; 0 shows all. The other forms have all.",
)
@click.pass_obj
def command(app: App, query: str | None, form: str, path: Path | None, limit: int) -> None:
    """Answer one SELECT over images, layers, files, history, packages, config, containers.

    Without a query: the tables and their columns.  `-` reads the query from
    standard input.  The SQL is DuckDB's; it can read the store and nothing else.
    """
    if query is None:
        emit(_schema(app))
        return
    if form == "parquet" and path is None and sys.stdout.isatty():
        raise click.UsageError("parquet is not written to a terminal: use --file FILE or a pipe")
    from lamina.query import sql

    found = sql.query(app.engine.store, sys.stdin.read() if query == "-" else query)
    for warning in found.warnings:
        print(f"lamina: {escape(warning)}", file=sys.stderr)
    if form == "parquet":
        _write_parquet(found, path)
    elif path is not None:
        _write(path, _lines(app, found, form, limit, to_file=True))
    else:
        safe = sys.stdout.isatty() and form == "csv"
        for line in _lines(app, found, form, limit):
            emit(escape(line, keep="\n") if safe else line)


def _lines(
    app: App, found: Result, form: str, limit: int, *, to_file: bool = False
) -> Iterable[str]:
    from lamina.report import answer

    if form == "csv":
        return answer.as_csv(found.columns, found.rows())
    if form == "json":
        return answer.as_json(found.columns, found.rows())
    sheet = paper(app)
    if not sys.stdout.isatty() or to_file:
        sheet = msgspec.structs.replace(sheet, width=_ENDLESS)
    rows = found.rows(limit or None)
    return [answer.as_text(found.columns, rows, sheet, total=len(found))]


def _write(path: Path, lines: Iterable[str]) -> None:
    from lamina.cli.save import opened_output

    with opened_output(path) as stream:
        stream.writelines(line.encode() for line in lines)


def _write_parquet(found: Result, path: Path | None) -> None:
    from lamina.cli.save import opened_output

    with opened_output(path) as stream:
        found.write_parquet(stream)


def _schema(app: App) -> str:
    from lamina.query.schema import TABLES
    from lamina.report.answer import schema_as_text

    def columns() -> Iterator[tuple[str, str, list[tuple[str, str, str]]]]:
        for table in TABLES:
            found = [(each.name, each.type, each.meaning) for each in table.columns]
            yield table.name, table.meaning, found

    return schema_as_text(columns(), paper(app))
