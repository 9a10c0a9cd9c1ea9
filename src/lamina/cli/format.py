"""How the command line writes sizes, times, tables and `--format`: Docker's habits."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from lamina.text import UNITS, escape, prose_size, to_json, width

__all__ = [
    "ago",
    "emit",
    "escape",
    "listing_options",
    "prose_size",
    "render",
    "short_id",
    "size",
    "table",
    "to_json",
]

F = TypeVar("F", bound=Callable[..., Any])

_PADDING = 3
_NARROWEST = 10
_SHORT_ID = 12


def size(n: int) -> str:
    """Bytes as Docker's columns have them: `0B`, `4.26MB`, `252MB`; 1 MB is 10⁶ bytes."""
    value, unit = float(n), 0
    while float(f"{value:.3g}") >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{UNITS[unit]}"


def short_id(text: str) -> str:
    """The first 12 digits of an id or digest, as Docker prints it."""
    return text.removeprefix("sha256:")[:_SHORT_ID]


def ago(then: str, now: datetime) -> str:
    """How long before `now` the RFC 3339 time `then` was: `2 minutes ago`; `N/A` for none."""
    moment = parse_time(then)
    return "N/A" if moment is None else f"{duration((now - moment).total_seconds())} ago"


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time; None when there is none, it cannot be read, or it is Go's zero time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment if moment.year > 1 else None


def duration(seconds: float) -> str:
    """A length of time in Docker's words: `About an hour`, `3 weeks`."""
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return _count(int(seconds), "second")
    minutes = int(seconds // 60)
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, length, unit in (
        (48, 1, "hours"),
        (24 * 7 * 2, 24, "days"),
        (24 * 30 * 2, 24 * 7, "weeks"),
        (24 * 365 * 2, 24 * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // length} {unit}"
    return f"{int(seconds // 3600) // 24 // 365} years"


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()
) -> str:
    """Docker's columns: three spaces between, the last one ragged; `right` are those to align.

    Cells are laid out as they are: escape what an image wrote.  Every line is ended.
    """
    lines = [headers, *rows] if headers else list(rows)
    if not lines:
        return ""
    last = len(lines[0]) - 1
    widths = [max(width(line[column]) for line in lines) for column in range(last + 1)]
    return "".join(
        "".join(
            _cell(text, widths[column], column == last, column in right)
            for column, text in enumerate(line)
        ).rstrip(" ")
        + "\n"
        for line in lines
    )


def _cell(text: str, wide: int, is_last: bool, is_right: bool) -> str:
    gap = "" if is_last else " " * max(_PADDING, _NARROWEST - wide)
    fill = " " * (wide - width(text))
    return (fill + text if is_right else text + ("" if is_last else fill)) + gap


def render(
    rows: Sequence[Mapping[str, object]],
    fmt: str,
    default_columns: Mapping[str, str],
    *,
    headers: Mapping[str, str] | None = None,
    right: Collection[str] = (),
) -> str:
    """Rows as `--format` wants them: `table`, `table TEMPLATE`, `json` or a Go template.

    `default_columns` are field → heading, in the order of the plain table;
    `headers` are the headings of further fields.  The text of rows is escaped.
    Every line is ended; no rows and no table give an empty text.
    Raises TemplateError.
    """
    if fmt == "json":
        return "".join(to_json(row) + "\n" for row in rows)
    if fmt in ("", "table"):
        columns = list(default_columns)
        return table(
            list(default_columns.values()),
            [[escape(_text(row[field])) for field in columns] for row in rows],
            right={columns.index(field) for field in right},
        )
    template = fmt.replace("\\t", "\t").replace("\\n", "\n")
    if template.startswith("table "):
        return _template_table(
            rows, template[6:].strip(" "), {**(headers or {}), **default_columns}
        )
    return _lines(rows, template)


def _lines(rows: Sequence[Mapping[str, object]], text: str) -> str:
    from lamina.cli.gotemplate import Template

    template = Template.parse(text)
    return "".join(template.render(_escaped(row)) + "\n" for row in rows)


def _template_table(
    rows: Sequence[Mapping[str, object]], text: str, headers: Mapping[str, str]
) -> str:
    from lamina.cli.gotemplate import Template

    template = Template.parse(text)
    heading = template.render(_Headings(headers)).split("\t")
    lines = [template.render(_escaped(row)).split("\t") for row in rows]
    most = max(len(line) for line in [heading, *lines])
    return table(
        heading + [""] * (most - len(heading)),
        [line + [""] * (most - len(line)) for line in lines],
    )


class _Headings(dict[str, object]):
    """The headings of any field: those not named are made of the field's name."""

    def __contains__(self, field: object) -> bool:
        return True

    def __missing__(self, field: str) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", field).upper()


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, Mapping):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(each) for each in value]
    return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def emit(text: str) -> None:
    """Write to standard output, ending the last line; what its encoding lacks is written out."""
    if text and not text.endswith("\n"):
        text += "\n"
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def listing_options(command: F) -> F:
    """The options of every command that lists: `fmt`, `quiet`, `no_trunc`, `filters`."""
    for option in (
        click.option(
            "-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="Show only these."
        ),
        click.option("--no-trunc", is_flag=True, help="Do not shorten ids and texts."),
        click.option("-q", "--quiet", is_flag=True, help="Print only ids."),
        format_option,
    ):
        command = option(command)
    return command


def format_option(command: F) -> F:
    """`--format` alone, as `fmt`."""
    return click.option(
        "--format",
        "fmt",
        default="table",
        metavar="FORMAT",
        help="table, json, 'table {{.A}}\\t{{.B}}', or a Go template: '{{.ID}}'.",
    )(command)


def _count(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"
