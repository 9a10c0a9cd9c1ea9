"""What a container starts."""

from __future__ import annotations

from typing import NoReturn

import pytest

from lamina.needs.starts import Start, script_commands, starts
from lamina.needs.system import System
from lamina.oci.config import Execution, Healthcheck
from lamina.shell.parse import NoShellParser
from tests.fakes.systems import program, system

TREE: dict[str, bytes | str | None] = {
    "bin/sh": program(),
    "usr/bin/curl": program(),
    "usr/bin/jq": program(),
    "usr/bin/python3": program(),
    "srv/app.py": b"print()",
    "entry.sh": b"#!/bin/sh\nexec $@\n",
}


def started(**fields: object) -> list[tuple[str, str]]:
    execution = Execution(**fields)  # type: ignore[arg-type]
    found = starts(System(system(TREE, execution=execution)))
    assert all(isinstance(each, Start) for each in found)
    return [(each.word, each.by) for each in found]


def test_the_entry_point_with_the_command_that_it_is_given() -> None:
    assert started(entrypoint=("/entry.sh",), cmd=("python3", "/srv/app.py")) == [
        ("/entry.sh", "ENTRYPOINT"),
        ("python3", "CMD"),
        ("/srv/app.py", "CMD"),
    ]


def test_arguments_of_an_entry_point_are_no_programs() -> None:
    assert started(entrypoint=("python3",), cmd=("--flag", "x")) == [("python3", "ENTRYPOINT")]


def test_a_program_that_is_not_there_is_told_all_the_same() -> None:
    assert started(cmd=("nothing",)) == [("nothing", "CMD")]


def test_the_shell_form_needs_the_shell_and_its_commands() -> None:
    text = "A=1 curl -s http://x/ | jq . && exec nothing"
    assert started(cmd=("/bin/sh", "-c", text)) == [
        ("/bin/sh", "CMD"),
        ("curl", "CMD"),
        ("jq", "CMD"),
    ]


def test_health_checks_in_either_form() -> None:
    assert started(healthcheck=Healthcheck(("CMD", "curl", "x"))) == [("curl", "HEALTHCHECK")]
    assert started(healthcheck=Healthcheck(("CMD-SHELL", "curl x || exit 1"))) == [
        ("/bin/sh", "HEALTHCHECK"),
        ("curl", "HEALTHCHECK"),
    ]
    assert started(healthcheck=Healthcheck(("NONE",))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("apt-get update && apt-get install -y x", ["apt-get", "apt-get"]),
        ("if grep -q x f; then sed -i s/a/b/ f; else\n  awk 1\nfi", ["grep", "sed", "awk"]),
        ("A=1 B=2 run x; $CMD y; (cd a && make)", ["run", "make"]),
        ("# curl\necho 'wget | jq' | tr a b", ["tr"]),
        ("x=\"open\ncurl 'y", []),
        ("{ date; }", ["date"]),
    ],
)
def test_first_words_of_commands(
    text: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(script_commands(text)) == words
    monkeypatch.setattr("lamina.shell.parse.parse", _no_parser)
    assert list(script_commands(text)) == words


def _no_parser(text: str) -> NoReturn:
    raise NoShellParser


def test_a_parsed_script_knows_more_than_lines() -> None:
    text = """case "$1" in
start) run "$(date)" ;;
esac
cat <<END
wget x
END
exec "$@"
"""
    assert list(script_commands(text)) == ["run", "date", "cat"]
