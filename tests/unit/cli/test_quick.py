"""`exec` read without click: as click reads it, or not at all; and what it loads."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from lamina.cli import exec as exec_
from lamina.cli.quick import read

UNDERSTOOD = (
    "web true",
    "-it web sh",
    "-i -t web sh -c x",
    "-ti --privileged web sh -i -t",
    "-e A=1 -e B=2 web env -u A",
    "--env A=1 --env=B=x=y web env",
    "-u bob:adm -w /tmp web id",
    "--user=bob --workdir=/tmp web id",
    "--interactive --tty --detach web sleep 1",
    "--detach-keys=ctrl-a,b -it web sh",
    "-d web sleep 9",
    "web -- true",
)
LEFT_TO_CLICK = (
    "",
    "web",
    "-i",
    "-e",
    "--help",
    "-h web true",
    "--nonsense web true",
    "-x web true",
    "-eA=1 web env",
    "-uroot web id",
    "-ie A=1 web env",
    "--env-file f web env",
    "--tty=true web sh",
    "-- web true",
    "--u=bob web id",
)


def by_click(words: list[str]) -> dict[str, object]:
    """What is given of each option, and the arguments."""
    context = exec_.command.make_context("exec", list(words))
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    return {**given, "args": tuple(given["args"])}


@pytest.mark.parametrize("line", UNDERSTOOD)
def test_what_is_understood_means_what_it_means_to_click(line: str) -> None:
    found = read(["exec", *line.split()])
    assert found is not None
    quick = {**found.options, "container": found.container, "args": found.args}
    assert quick == by_click(line.split())


@pytest.mark.parametrize("line", LEFT_TO_CLICK)
def test_all_else_is_left_to_click(line: str) -> None:
    assert read(["exec", *line.split()]) is None


def test_the_root_may_be_named_before() -> None:
    found = read(["--root", "/x", "exec", "web", "true"])
    assert found is not None and found.root == "/x"
    assert read(["--debug", "exec", "web", "true"]) is None
    assert read(["ps", "exec", "web", "true"]) is None


HEAVY = {"click", "msgspec", "typing", "re", "json", "pathlib", "inspect", "dataclasses"}


def test_it_loads_nothing_that_a_start_would_feel() -> None:
    parts = (
        *("cli.entry", "cli.quick", "store.glance", "store.journal", "supervise.log"),
        *("run.doorway", "run.executing", "run.entering", "linux.initial"),
    )
    code = f"import sys, {', '.join('lamina.' + part for part in parts)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())
