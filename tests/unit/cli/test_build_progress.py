"""The views of a build: what they print of the same events, to the byte."""

from __future__ import annotations

import io
import json
import os
import re
from base64 import b64decode
from datetime import UTC, datetime

import msgspec
import pytest

from lamina.build.observe import Outcome, Step
from lamina.cli.build_lines import Lines
from lamina.cli.build_live import Live
from lamina.cli.build_plain import Plain, Quiet
from lamina.cli.build_progress import BadProgress, way
from lamina.cli.build_rawjson import RawJson
from lamina.cli.build_view import Steps
from lamina.cli.build_words import clock
from lamina.plan.graph import Graph, MakeDirOp
from lamina.text import width
from tests.golden.golden import check
from tests.unit.cli.build_events import Clock, go, steps, vertices

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def test_plain() -> None:
    stream, time = io.StringIO(), Clock()
    view = Plain(stream, time)
    go(view, time)
    view.close()
    check("cli/build-plain.txt", stream.getvalue())


def test_raw_json() -> None:
    stream, time = io.StringIO(), Clock()
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    view = RawJson(stream, time, lambda: noon)
    go(view, time)
    view.close()
    check("cli/build-rawjson.txt", stream.getvalue())


class Vertex(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """BuildKit's client.Vertex, with what is ours."""

    digest: str
    name: str
    inputs: list[str] = []
    started: datetime | None = None
    completed: datetime | None = None
    cached: bool = False
    error: str = ""
    lamina: dict[str, object] = {}


class Status(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """BuildKit's client.VertexStatus."""

    id: str
    vertex: str
    current: int
    timestamp: datetime
    name: str = ""
    total: int = 0
    started: datetime | None = None
    completed: datetime | None = None


class Log(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """BuildKit's client.VertexLog."""

    vertex: str
    data: bytes
    timestamp: datetime
    stream: int = 0


class SolveStatus(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """BuildKit's client.SolveStatus."""

    vertexes: list[Vertex] = []
    statuses: list[Status] = []
    logs: list[Log] = []


def test_raw_json_is_what_readers_of_buildkits_read() -> None:
    stream, time = io.StringIO(), Clock()
    go(RawJson(stream, time), time)
    told = [msgspec.json.decode(line, type=SolveStatus) for line in stream.getvalue().splitlines()]
    ended = {each.digest: each for status in told for each in status.vertexes if each.completed}
    base, found = vertices()
    assert ended[str(base.digest)].cached
    assert ended[str(found[3].digest)].error == "/out is not in builder"
    assert str(found[2].digest) not in ended
    assert ended[str(found[1].digest)].lamina["hides"] == [{"of": "step 1", "size": 52_400_000}]
    output = b"".join(log.data for status in told for log in status.logs)
    assert b"two \x1b[31mred" in output
    assert ended[str(found[0].digest)].inputs == [str(base.digest)]


def test_a_title_that_is_no_text() -> None:
    graph = Graph()
    odd = graph.add(MakeDirOp("/x"), title="WORKDIR caf\udce9")
    step = Step(1, 1, odd, "1/1")
    streams = [io.StringIO(), io.StringIO(), io.StringIO()]
    views = [RawJson(streams[0]), Plain(streams[1]), _live(streams[2], Clock(), 80)]
    for view in views:
        Steps(view).started(step)
        view.close()
    assert json.loads(streams[0].getvalue().splitlines()[0])["vertexes"][0]["name"].startswith(
        "[1/1] WORKDIR caf"
    )
    assert "WORKDIR caf\\xe9" in streams[1].getvalue()
    assert "WORKDIR caf\\xe9" in streams[2].getvalue()


def test_raw_json_keeps_bytes_that_are_no_text() -> None:
    stream = io.StringIO()
    told = Steps(RawJson(stream))
    told.started(steps()[1])
    told.output(steps()[1], b"\xff\x00")
    log = json.loads(stream.getvalue().splitlines()[-1])["logs"][0]
    assert b64decode(log["data"]) == b"\xff\x00"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_live(columns: int) -> None:
    stream, time = io.StringIO(), Clock()
    view = _live(stream, time, columns)
    shown: list[str] = []

    def pause() -> None:
        stream.truncate(0)
        stream.seek(0)
        with view.lock:
            view.draw()
        shown.append(_text(stream))

    go(view, time, pause)
    view.close()
    text = f"while two run\n{shown[0]}\nat the end\n{_text(stream)}"
    check(f"cli/build-live-{columns}.txt", text)
    assert all(width(line) < columns for line in text.splitlines())


def _live(stream: io.StringIO, time: Clock, columns: int, lines: int = 24) -> Live:
    return Live(
        stream,
        colored=False,
        now=time,
        size=lambda: os.terminal_size((columns, lines)),
        refresh=3600,
    )


def _text(stream: io.StringIO) -> str:
    return _ESCAPE.sub("", stream.getvalue()).replace("\r", "")


def test_live_in_colour() -> None:
    stream, time = io.StringIO(), Clock()
    view = Live(
        stream, colored=True, now=time, size=lambda: os.terminal_size((120, 24)), refresh=3600
    )
    go(view, time)
    view.close()
    text = stream.getvalue()
    assert "\x1b[2m base debian:bookworm" in text
    assert "\x1b[31m   hides 52.4 MB of step 1\x1b[0m" in text
    assert text.count("\x1b[0m") == len(re.findall(r"\x1b\[(?:2|31)m", text))


def test_live_goes_back_over_what_it_has_drawn_and_no_further() -> None:
    """Moving up by as many lines as the block had, never over finished rows."""
    stream, time = io.StringIO(), Clock()
    view = _live(stream, time, 80)
    told = Steps(view)
    told.started(steps()[1])
    told.output(steps()[1], b"a\nb\n")
    view.draw()
    assert stream.getvalue().count("\n") == 3
    time.on(1)
    view.draw()
    assert stream.getvalue().count("\x1b[3A") == 1
    told.finished(steps()[1], Outcome(False, 0, 1.0))
    view.close()
    assert stream.getvalue().count("\x1b[3A") == 2


def test_live_counts_the_lines_that_a_narrower_terminal_wraps() -> None:
    stream, time, columns = io.StringIO(), Clock(), [80]
    view = Live(
        stream,
        colored=False,
        now=time,
        size=lambda: os.terminal_size((columns[0], 24)),
        refresh=3600,
    )
    Steps(view).started(steps()[1])
    view.draw()
    columns[0] = 40
    view.draw()
    assert "\x1b[2A" in stream.getvalue()
    view.close()


def test_live_writes_nothing_when_nothing_has_changed() -> None:
    stream, time = io.StringIO(), Clock()
    view = _live(stream, time, 80)
    Steps(view).started(steps()[1])
    view.draw()
    before = stream.getvalue()
    view.draw()
    assert stream.getvalue() == before
    view.close()


def test_live_fits_more_tasks_than_the_terminal_has_lines() -> None:
    stream, time = io.StringIO(), Clock()
    view = _live(stream, time, 80, lines=5)
    for step in steps()[1:]:
        Steps(view).started(step)
    view.draw()
    assert stream.getvalue().count("\n") == 3
    assert "and 2 more" in stream.getvalue()
    view.close()


def test_what_was_given_up_says_so() -> None:
    stream = io.StringIO()
    view = Plain(stream, Clock())
    Steps(view).started(steps()[1])
    view.close()
    assert stream.getvalue().endswith("#1 CANCELED\n")


def test_quiet_keeps_the_end_of_a_failed_tasks_output() -> None:
    view, time = Quiet(), Clock()
    go(view, time)
    (failure,) = view.failures
    assert failure.task.number == 4
    assert failure.lines == ("no end of line",)


@pytest.mark.parametrize(
    ("pieces", "lines", "current"),
    [
        ([b"a\nb"], ["a"], "b"),
        ([b"a", b"b\n"], ["ab"], ""),
        ([b"10%\r20%\r", b"30%"], [], "30%"),
        ([b"10%\r20%\r\n"], ["20%"], ""),
        ([b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07\n"], ["red"], ""),
        ([b"\x1b[2J\x07bell\x9b\n"], ["\\x07bell\\x9b"], ""),
        ([b"tab\tstop\n"], ["tab     stop"], ""),
        ([b"\xe2\x82", b"\xac\n"], ["\u20ac"], ""),
        ([b"", b""], [], ""),
    ],
)
def test_lines_of_output(pieces: list[bytes], lines: list[str], current: str) -> None:
    found = Lines()
    assert [line for piece in pieces for line in found.add(piece)] == lines
    assert found.current == current


def test_a_line_without_an_end_does_not_grow_for_ever() -> None:
    lines = Lines()
    shown = [line for _ in range(40) for line in lines.add(b"x" * 10_000)]
    assert sum(map(len, [*shown, lines.current])) == 400_000
    bar = Lines()
    assert [line for n in range(40_000) for line in bar.add(b"%d %%\r" % n)] == []
    assert bar.current == "39999 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (75, "1 min 15 s"),
        (7830, "2 h 10 min"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_who_says_how_a_build_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUILDKIT_PROGRESS", raising=False)
    assert way(None, quiet=False) == "auto"
    monkeypatch.setenv("BUILDKIT_PROGRESS", "plain")
    assert way(None, quiet=False) == "plain"
    assert way("tty", quiet=False) == "tty"
    assert way("tty", quiet=True) == "quiet"
    monkeypatch.setenv("BUILDKIT_PROGRESS", "loud")
    with pytest.raises(BadProgress, match="loud"):
        way(None, quiet=False)
