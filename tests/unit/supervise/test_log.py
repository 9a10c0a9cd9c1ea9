"""The log beside a container: Docker's form, rotated by size."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lamina.supervise.log import LONGEST, Log


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_is_written_when_it_is_whole(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.feed("stdout", b"hel")
    assert not (tmp_path / "log").exists()
    log.feed("stderr", b"oops\n")
    log.feed("stdout", b"lo\nunfin")
    found = lines(tmp_path / "log")
    assert [(each["stream"], each["log"]) for each in found] == [
        ("stderr", "oops\n"),
        ("stdout", "hello\n"),
    ]
    log.close()
    assert lines(tmp_path / "log")[-1]["log"] == "unfin"


def test_times_are_dockers(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.feed("stdout", b"x\n")
    log.close()
    [line] = lines(tmp_path / "log")
    assert list(line) == ["log", "stream", "time"]
    assert len(line["time"]) == len("2026-01-31T12:00:00.123456789Z")
    assert line["time"].endswith("Z")


def test_a_line_without_end_is_kept_in_pieces(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.feed("stdout", b"y" * (LONGEST + 5))
    assert [len(line["log"]) for line in lines(tmp_path / "log")] == [LONGEST]
    log.feed("stdout", b"\n")
    log.close()
    assert lines(tmp_path / "log")[-1]["log"] == "yyyyy\n"


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_whatever_is_printed_is_told(tmp_path_factory: object, pieces: list[bytes]) -> None:
    place = tmp_path_factory.mktemp("log")  # type: ignore[attr-defined]
    log = Log(str(place / "log"))
    for piece in pieces:
        log.feed("stdout", piece)
    log.close()
    told = "".join(line["log"] for line in lines(place / "log")) if b"".join(pieces) else ""
    whole = b"".join(pieces).split(b"\n")
    assert told == "\n".join(line.decode("utf-8", "replace") for line in whole)


def test_a_full_log_begins_a_new_file(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), size=1000, count=3)
    for number in range(100):
        log.feed("stdout", b"%03d\n" % number)
    log.close()
    files = [tmp_path / name for name in ("log.2", "log.1", "log")]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(path.stat().st_size <= 1000 for path in files)
    told = [int(line["log"]) for path in files for line in lines(path)]
    assert told == list(range(told[0], 100))
    assert len(told) > 20


def test_one_file_is_begun_again(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), size=500, count=1)
    log.feed("stdout", b"".join(b"%d\n" % number for number in range(50)))
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert lines(tmp_path / "log")[-1]["log"] == "49\n"


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = Log(str(tmp_path / "log"), size=10_000)
        log.feed("stdout", text)
        log.close()
    assert [line["log"] for line in lines(tmp_path / "log")] == ["one\n", "two\n"]
