"""A container's log, as json-file has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.run.logs import LogLine, LogWriter, read_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.json"


def written(path: Path, *pieces: tuple[str, bytes]) -> list[LogLine]:
    writer = LogWriter(path, lambda: "NOW")
    for stream, data in pieces:
        writer.feed(stream, data)
    writer.close()
    return list(read_log(path))


def test_lines_are_whole_whatever_the_pieces(path: Path) -> None:
    lines = written(path, ("stdout", b"one\ntw"), ("stderr", b"e\n"), ("stdout", b"o\nrest"))
    assert [(line.stream, line.log) for line in lines] == [
        ("stdout", "one\n"),
        ("stderr", "e\n"),
        ("stdout", "two\n"),
        ("stdout", "rest"),
    ]
    assert {line.time for line in lines} == {"NOW"}


def test_a_carriage_return_ends_no_line(path: Path) -> None:
    assert [line.log for line in written(path, ("stdout", b"10%\r20%\r\nx\n"))] == [
        "10%\r20%\r\n",
        "x\n",
    ]


@pytest.mark.parametrize("odd", [b"\x0b", b"\x0c", b"\x1c", "\u2028".encode(), b"\xff"])
def test_other_bytes_end_no_line_either(path: Path, odd: bytes) -> None:
    (line,) = written(path, ("stdout", b"a" + odd + b"b\n"))
    assert line.log == (b"a" + odd + b"b\n").decode("utf-8", "replace")


def test_a_line_without_an_end_does_not_fill_the_memory(path: Path) -> None:
    lines = written(path, *[("stdout", b"x" * 1000)] * 50)
    assert sum(len(line.log) for line in lines) == 50_000
    assert max(len(line.log) for line in lines) < 20_000


def test_nothing_printed_is_no_file(path: Path) -> None:
    assert written(path) == []
    assert not path.exists()


def test_a_log_cut_short_by_a_crash_is_read_up_to_there(path: Path) -> None:
    written(path, ("stdout", b"one\n"))
    with open(path, "ab") as stream:
        stream.write(b'{"log":"tw')
    assert [line.log for line in read_log(path)] == ["one\n"]
