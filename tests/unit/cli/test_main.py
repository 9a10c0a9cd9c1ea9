"""The command line as a whole: the table of commands, errors to exit statuses."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lamina.cli import main
from lamina.cli.app import App
from lamina.errors import CheckFailed, EngineError, NotFound


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_command_is_there_and_helps_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: lamina " + name)
    assert "Example: " in shown
    assert f"lamina {name} " in shown.partition("Example: ")[2]


def test_no_command_module_is_without_a_row() -> None:
    listed = {module for module, _ in main.COMMANDS.values()}
    folder = Path(main.__file__).parent
    commands = {
        path.stem
        for path in folder.glob("*.py")
        if "\ncommand = " in path.read_text() or "\ndef command(" in path.read_text()
    }
    assert commands <= listed
    assert all(importlib.util.find_spec(f"lamina.cli.{module}") for module in listed)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pul"], "lamina: no such command: pul (did you mean pull?)\n"),
        (["zzzzz"], "lamina: no such command: zzzzz\n"),
        (["--zork"], "lamina: no such option"),
        (["images", "--zork"], "lamina: no such option"),
    ],
)
def test_what_is_unknown_is_a_usage_error(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(says)
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFound("no image x in the store", hint="lamina pull x"), 1), (CheckFailed("no"), 3)],
)
def test_an_error_is_one_line_and_a_hint(
    error: EngineError,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: command)
    assert main.run(["images"]) == status
    hint = f"  try: {error.hint}\n" if error.hint else ""
    assert capsys.readouterr().err == f"lamina: {error}\n{hint}"


def test_colour_can_be_forced_and_refused() -> None:
    assert App(Path(), "always").colored
    assert not App(Path(), "never").colored


HEAVY = {"urllib3", "rich", "ctypes", "isal", "subprocess", "tempfile", "lamina.engine", "logging"}


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_a_command_imports_nothing_heavy_until_it_runs(name: str) -> None:
    module = main.COMMANDS[name][0]
    code = f"import sys, lamina.cli.main, lamina.cli.{module}; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(ran.stdout.split())
