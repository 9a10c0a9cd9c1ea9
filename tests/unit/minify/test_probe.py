from __future__ import annotations

import pytest

from lamina.minify.errors import BadProbe
from lamina.minify.probe import (
    CommandProbe,
    HttpProbe,
    Outcome,
    OwnProbe,
    difference,
    fault,
    parse_command,
    parse_http,
    tail,
)


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("80", HttpProbe("GET", 80, "/")),
        ("80/", HttpProbe("GET", 80, "/")),
        ("8080/a?b=c%20d", HttpProbe("GET", 8080, "/a?b=c%20d")),
        ("HEAD:80/x", HttpProbe("HEAD", 80, "/x")),
        ("80/missing=>404", HttpProbe("GET", 80, "/missing", 404)),
        ("POST:443/a=>201", HttpProbe("POST", 443, "/a", 201)),
    ],
)
def test_http_probes_are_read(text: str, probe: HttpProbe) -> None:
    assert parse_http(text) == probe


@pytest.mark.parametrize(
    "text", ["", "/", "http://x/", "0/", "65536/", "80/a b", "get:80/", "80/=>20", "80x/"]
)
def test_what_is_no_http_probe_is_refused(text: str) -> None:
    with pytest.raises(BadProbe):
        parse_http(text)


def test_a_command_is_split_as_a_shell_does() -> None:
    assert parse_command("a 'b c' \"d\"") == CommandProbe(("a", "b c", "d"))
    for text in ("", "  ", "a 'b"):
        with pytest.raises(BadProbe):
            parse_command(text)


def outcome(status: int | None, out: bytes = b"", error: bytes = b"") -> Outcome:
    return Outcome(status, (("stdout", out), ("stderr", error)))


@pytest.mark.parametrize(
    ("probe", "status", "why"),
    [
        (CommandProbe(("a",)), 0, ""),
        (CommandProbe(("a",)), 3, "exit status 3"),
        (OwnProbe(1), None, ""),
        (HttpProbe("GET", 80, "/"), 302, ""),
        (HttpProbe("GET", 80, "/"), 404, "HTTP status 404"),
        (HttpProbe("GET", 80, "/", 404), 404, ""),
        (HttpProbe("GET", 80, "/", 404), 200, "HTTP status 200"),
    ],
)
def test_what_is_a_failure(
    probe: CommandProbe | HttpProbe | OwnProbe, status: int | None, why: str
) -> None:
    assert fault(probe, outcome(status)) == why


def test_time_makes_no_difference() -> None:
    assert Outcome(0, (("body", b"x"),), 1.0).same(Outcome(0, (("body", b"x"),), 2.0))
    assert not outcome(0, b"x").same(outcome(0, b"y"))
    assert not outcome(0, b"x").same(outcome(1, b"x"))


def test_a_difference_is_a_few_lines() -> None:
    old = b"".join(b"line %d\n" % number for number in range(100))
    assert difference(outcome(0, b"same\nold\n"), outcome(1, b"same\nnew\n", b"no\n")) == [
        "status 1, was 0",
        "stdout:",
        "  -old",
        "  +new",
        "stderr:",
        "  +no",
    ]
    assert len(difference(outcome(0, old), outcome(0))) == 12
    assert difference(outcome(None), outcome(1)) == ["status 1, was still running"]


def test_bytes_that_are_no_lines_are_told_by_their_length() -> None:
    one, other = (b"x\n" * 600 + end for end in (b"a", b"bc"))
    assert difference(outcome(0, one), outcome(0, other)) == ["stdout: 1202 bytes, was 1201"]


def test_the_last_lines_are_told() -> None:
    assert tail(outcome(1, b"1\n2\n\n3\n4\n", b"5\n6\n")).split("\n  ") == ["2", "3", "4", "5", "6"]
