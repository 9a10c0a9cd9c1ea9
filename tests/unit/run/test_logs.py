"""A container's log, as json-file has it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from lamina.run.logs import Log, LogLine
from lamina.supervise.log import Log as LogWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.json"


def read(path: Path) -> list[LogLine]:
    with Log(path) as log:
        return list(log.lines())


def written(path: Path, *pieces: tuple[str, bytes]) -> list[LogLine]:
    writer = LogWriter(str(path))
    for stream, data in pieces:
        writer.feed(stream, data)
    writer.close()
    return read(path)


def test_lines_are_whole_whatever_the_pieces(path: Path) -> None:
    lines = written(path, ("stdout", b"one\ntw"), ("stderr", b"e\n"), ("stdout", b"o\nrest"))
    assert [(line.stream, line.log) for line in lines] == [
        ("stdout", "one\n"),
        ("stderr", "e\n"),
        ("stdout", "two\n"),
        ("stdout", "rest"),
    ]


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
    assert [line.log for line in read(path)] == ["one\n"]


# rotation, the end of a log, following


def fill(path: Path, count: int, *, size: int = 0, files: int = 1, begin: int = 0) -> None:
    writer = LogWriter(str(path), size, files)
    for number in range(begin, begin + count):
        writer.feed("stdout", b"line %05d\n" % number)
    writer.close()


def numbers(lines: Iterable[LogLine]) -> list[int]:
    return [int(line.log.split()[1]) for line in lines]


def test_rotated_files_are_one_log(path: Path) -> None:
    fill(path, 100, size=1000, files=20)
    assert len(list(path.parent.iterdir())) > 5
    with Log(path) as log:
        assert numbers(log.lines()) == list(range(100))


@pytest.mark.parametrize("count", [0, 1, 7, 99, 100, 1000])
def test_the_last_lines_come_from_as_many_files_as_it_takes(path: Path, count: int) -> None:
    fill(path, 100, size=1000, files=20)
    with Log(path) as log:
        assert numbers(log.last(count)) == list(range(100))[max(0, 100 - count) :]


def test_the_last_lines_of_a_large_log_are_found_without_reading_it(path: Path) -> None:
    fill(path, 30_000)  # many blocks
    with Log(path) as log:
        assert numbers(log.last(20_000)) == list(range(10_000, 30_000))
    size = 1 << 33
    with path.open("ab") as stream:
        stream.truncate(size)  # a hole of gigabytes, which it would take minutes to read
        stream.seek(size)
        stream.write(b"\n")
    fill(path, 10)
    with Log(path) as log:
        assert numbers(log.last(10)) == list(range(10))


def test_the_last_lines_between_two_times(path: Path) -> None:
    lines = (
        msgspec.json.encode(LogLine(f"line {n}\n", "stdout", f"2026-01-01T00:00:{n:02}Z"))
        for n in range(60)
    )
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with Log(path) as log:
        found = log.last(3, since="2026-01-01T00:00:10Z", until="2026-01-01T00:00:20Z")
        assert numbers(found) == [18, 19, 20]
        found = log.last(30, since="2026-01-01T00:00:10Z", until="2026-01-01T00:00:12Z")
        assert numbers(found) == [10, 11, 12]


@pytest.mark.parametrize("begin", ["all", "last"])
@pytest.mark.parametrize(("size", "files"), [(0, 1), (1000, 3), (300, 20)])
def test_following_misses_nothing_through_rotation(
    path: Path, size: int, files: int, begin: str
) -> None:
    fill(path, 10, size=size, files=files)
    found: list[int] = []
    turns = iter(range(20))

    def wait(_: float) -> bool:
        turn = next(turns, None)
        if turn is None:
            return False
        fill(path, 10, size=size, files=files, begin=10 + 10 * turn)
        return True

    with Log(path) as log:
        found += numbers(log.lines() if begin == "all" else log.last(10))
        found += numbers(line for line in log.follow(wait) if line is not None)
    assert found == list(range(210))


def test_half_a_line_is_read_when_the_rest_is_there(path: Path) -> None:
    fill(path, 2)
    whole = path.read_bytes()

    def wait(_: float) -> bool:
        path.write_bytes(whole)
        return False

    for tail in (False, True):
        path.write_bytes(whole[:-5])
        with Log(path) as log:
            assert numbers(log.last(5) if tail else log.lines()) == [0]
            assert numbers(line for line in log.follow(wait) if line is not None) == [1]


def test_a_log_that_appears_later_is_followed(path: Path) -> None:
    def wait(_: float) -> bool:
        fill(path, 3)
        return False

    with Log(path) as log:
        assert list(log.lines()) == []
        assert numbers(line for line in log.follow(wait) if line is not None) == [0, 1, 2]
