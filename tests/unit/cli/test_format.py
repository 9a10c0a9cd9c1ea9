"""Sizes, times, tables, `--format`, and text that must not reach a terminal as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import text as safe
from lamina.cli.format import ago, escape, prose_size, render, short_id, size, table, to_json
from lamina.cli.gotemplate import TemplateError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("n", "column", "prose"),
    [
        (0, "0B", "0 B"),
        (999, "999B", "999 B"),
        (1000, "1kB", "1.0 kB"),
        (4_260_000, "4.26MB", "4.3 MB"),
        (52_428_800, "52.4MB", "52.4 MB"),
        (199_300_000, "199MB", "199.3 MB"),
        (251_700_000, "252MB", "251.7 MB"),
        (999_600, "1MB", "999.6 kB"),
        (999_960, "1MB", "1.0 MB"),
        (5_400_000_000, "5.4GB", "5.4 GB"),
    ],
)
def test_sizes_are_si_with_dockers_digits(n: int, column: str, prose: str) -> None:
    assert (size(n), prose_size(n)) == (column, prose)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second ago"),
        (0.4, "Less than a second ago"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "About a minute ago"),
        (150, "2 minutes ago"),
        (3600, "About an hour ago"),
        (3600 * 47, "47 hours ago"),
        (3600 * 24 * 3, "3 days ago"),
        (3600 * 24 * 21, "3 weeks ago"),
        (3600 * 24 * 90, "3 months ago"),
        (3600 * 24 * 365 * 4, "4 years ago"),
    ],
)
def test_times_are_told_in_dockers_words(seconds: float, words: str) -> None:
    then = (NOW - timedelta(seconds=seconds)).isoformat()
    assert ago(then, NOW) == words


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "yesterday"])
def test_no_time_is_not_told(text: str) -> None:
    assert ago(text, NOW) == "N/A"


def test_nanoseconds_and_missing_zones_are_read() -> None:
    assert ago("2026-11-24T11:58:00.123456789Z", NOW) == "About a minute ago"
    assert ago("2026-11-24T11:57:00", NOW) == "3 minutes ago"


def test_a_table_has_dockers_columns() -> None:
    rows = [["seed", "latest", "252MB"], ["ghcr.io/x/debian", "bookworm", "9B"]]
    assert table(["REPOSITORY", "TAG", "SIZE"], rows) == (
        "REPOSITORY         TAG        SIZE\n"
        "seed               latest     252MB\n"
        "ghcr.io/x/debian   bookworm   9B\n"
    )


def test_a_table_aligns_to_the_right_and_counts_wide_characters() -> None:
    assert table(["N", "SIZE", "X"], [["日本", "9B", "x"], ["abc", "252MB", "y"]], right={1}) == (
        "N          SIZE     X\n日本         9B     x\nabc       252MB     y\n"
    )


COLUMNS = {"Repository": "REPOSITORY", "ID": "IMAGE ID"}
ROWS = [
    {"Repository": "a", "ID": "1", "CreatedSince": "now"},
    {"Repository": "b\x1b[2J", "ID": "2", "CreatedSince": "then"},
]


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("table", "REPOSITORY   IMAGE ID\na            1\nb\\e[2J       2\n"),
        ("{{.ID}}", "1\n2\n"),
        ("{{.Repository}}", "a\nb\\e[2J\n"),
        (r"{{.ID}}\t{{.ID}}", "1\t1\n2\t2\n"),
        (
            r"table {{.ID}}\t{{.CreatedSince}}",
            "IMAGE ID   CREATED SINCE\n1          now\n2          then\n",
        ),
        (
            "json",
            '{"Repository":"a","ID":"1","CreatedSince":"now"}\n'
            '{"Repository":"b\\u001b[2J","ID":"2","CreatedSince":"then"}\n',
        ),
    ],
)
def test_format_takes_dockers_forms(fmt: str, expected: str) -> None:
    assert render(ROWS, fmt, COLUMNS) == expected


def test_no_rows_leave_the_headings_alone() -> None:
    assert render([], "table", COLUMNS) == "REPOSITORY   IMAGE ID\n"
    assert render([], "json", COLUMNS) == render([], "{{.ID}}", COLUMNS) == ""


def test_a_template_on_rows_names_an_unknown_field() -> None:
    with pytest.raises(TemplateError, match=r"no field \.Idd"):
        render(ROWS, "{{.Idd}}", COLUMNS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 日本 \u00a0", "plain ünïcode 日本 \u00a0"),
        ("\x1b]0;title\x07", "\\e]0;title\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("caf\udce9", "caf\\xe9"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_could_fool_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_lines_stay_lines_where_they_are_wanted() -> None:
    assert safe.escape_lines("a\n\tb\x1b") == "a\n\tb\\e"


@given(st.text(st.characters()))
def test_escaped_text_is_printable(text: str) -> None:
    assert all(c.isprintable() or safe._is_blank(c) for c in escape(text))


@given(st.text(st.characters()))
def test_json_is_printable_and_reads_back(text: str) -> None:
    shown = to_json({"k": [text]})
    assert json.loads(shown) == {"k": [text]}
    assert escape(shown) == shown


def test_text_is_cut_by_columns() -> None:
    assert safe.clip("日本語", 5) == "日本…"
    assert safe.clip("abc", 3) == "abc"
    assert safe.clip("abcd", 3, mark="...") == "..."


def test_short_ids_have_twelve_digits() -> None:
    assert short_id("sha256:" + "ab" * 32) == "abababababab"
