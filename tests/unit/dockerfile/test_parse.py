"""The parser: golden files, and errors that point."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile.instruction import Dockerfile
from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import DockerfileError

GOLDEN = Path(__file__).parents[2] / "golden" / "dockerfile"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def read(case: str) -> str:
    return (GOLDEN / case / "Dockerfile").read_bytes().decode()


def shown(dockerfile: Dockerfile) -> str:
    """A parsed file as text that a person can check against the file."""
    lines = [f"escape {dockerfile.escape}", f"directives {dockerfile.directives}"]
    for each in dockerfile.instructions:
        span = each.span
        lines.append(f"{span.line}:{span.column}-{span.last_line} {each.keyword}")
        lines += [f"    flag {flag.name} = {flag.value!r}" for flag in each.flags]
        lines.append(f"    text {each.text!r}")
        if each.json is not None:
            lines.append(f"    json {list(each.json)}")
        lines += [f"    heredoc {doc}" for doc in each.heredocs]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    found = shown(parse(read(case)))
    golden = GOLDEN / case / "parsed.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


def failure(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "problem", "note"),
    [
        ("FROM a\nRUNN x", 2, 1, "unknown instruction RUNN", "did you mean RUN?"),
        ("FROM a\n\n  # c\n  COPPY x y", 4, 3, "unknown instruction COPPY", "did you mean COPY?"),
        ("FROM a\nfoo", 2, 1, "unknown instruction foo", ""),
        ("FROM", 1, 1, "FROM needs an argument", ""),
        ("FROM a\nVOLUME \\\n", 2, 1, "VOLUME needs an argument", ""),
        (
            'FROM a\nRUN ["a", 1]',
            2,
            5,
            "a JSON array here has strings only",
            "quote it",
        ),
        (
            "FROM a\nRUN cat <<EOF\nx\n",
            2,
            9,
            "the heredoc EOF has no end",
            "a line with EOF alone must follow",
        ),
        ("# escape=x\nFROM a", 1, 1, "invalid escape character x", "it is \\ or `"),
        (
            "# syntax=a\n# SYNTAX=b\nFROM a",
            2,
            1,
            "only one syntax directive can be used",
            "",
        ),
        ("# nothing\n\n", 2, 1, "no instructions in this file", ""),
    ],
)
def test_errors_point(text: str, line: int, column: int, problem: str, note: str) -> None:
    error = failure(text)
    assert str(error) == f"Dockerfile:{line}: {problem}"
    assert (error.span.line, error.span.column) == (line, column)
    assert error.hint == note


def test_an_error_shows_the_line_with_a_caret() -> None:
    assert failure("FROM a\nRUNN apt-get update").excerpt == (
        "    2 │ RUNN apt-get update\n      │ ^^^^ did you mean RUN?"
    )


def test_a_place_in_a_continuation_line_is_found() -> None:
    (line,) = parse("RUN one \\\n   two \\\n # c\n   three").instructions
    assert line.text == "one    two    three"
    place = line.place("three")
    assert (place.line, place.column) == (4, 4)


def test_a_byte_order_mark_and_carriage_returns_mean_nothing() -> None:
    plain = parse("FROM a\nRUN b \\\n c\n")
    other = parse("\ufeffFROM a\r\nRUN b \\\r\n c\r\n")
    assert [each.text for each in plain.instructions] == [each.text for each in other.instructions]


def test_a_very_long_line_is_refused() -> None:
    assert "more than 65535 bytes" in str(failure("FROM a\nRUN " + "x" * 65532))
    assert "more than 65535 bytes" in str(failure("FROM a\nRUN " + "é" * 32766))
    assert len(parse("FROM a\nRUN " + "x" * 65531).instructions) == 2


def test_control_characters_do_not_reach_the_excerpt() -> None:
    assert "\x1b" not in failure("FROM a\nRU\x1b[31mN x").excerpt


@given(st.text(alphabet="FROMRUN abc\\\n\r\t#<='\"[]`-EOF ,{}$\x00é", max_size=200))
def test_any_text_parses_or_is_refused_with_a_place(text: str) -> None:
    try:
        found = parse("FROM a\n" + text)
    except DockerfileError as error:
        assert error.span.line >= 1
        assert error.span.column >= 1
        return
    assert found.instructions[0].keyword == "FROM"
