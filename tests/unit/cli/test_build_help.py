"""`lamina build --help`: every option under a heading, on a line of its own."""

from __future__ import annotations

import click
import pytest

from lamina.cli.build import command
from lamina.cli.build_help import BuildCommand
from lamina.cli.main import run

OPTIONS = {each.name: each for each in command.params if isinstance(each, click.Option)}


def test_every_option_has_its_place() -> None:
    placed = [name for names in BuildCommand.sections.values() for name in names.split()]
    assert sorted(placed) == sorted(OPTIONS)


def test_each_takes_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["build", "--help"]) == 0
    said = capsys.readouterr().out.partition("Dockerfile and files:")[2]
    lines = [line for line in said.splitlines() if line.startswith("  -")]
    assert len(lines) == len(OPTIONS) + 1
    assert [line for line in said.splitlines() if line.startswith("     ")] == []
