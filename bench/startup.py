"""What a start spends on imports: `python -X importtime` of whole commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bench import material
from bench.measure import Engine, Failed, interleaved
from bench.rows import Bench, Row

_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
_INTERPRETER = "site"
"""The last module that Python imports of its own accord."""
_IMAGE = "bench/busybox:tar"
_COMMANDS = {
    "run --rm IMAGE true": (("run", "--rm", _IMAGE, "true"), 0.050),
    "images": (("images",), 0.045),
}


@dataclass(frozen=True)
class Imports:
    """What one process imported after its interpreter had started."""

    seconds: float
    modules: int


def imports(bench: Bench) -> Sequence[Row]:
    """The time in imports and their number, of a few commands."""
    engine = bench.lamina
    bench.ready(engine, _IMAGE, material.busybox_tar())
    known = f"{bench.registry}/imports:latest"
    engine("tag", _IMAGE, known)
    engine("push", "-q", known)
    commands = {
        **_COMMANDS,
        # click, msgspec and urllib3 alone are 50 ms.
        "pull of what is there": (("pull", "-q", known), 0.065),
        "save": (("save", "-o", os.devnull, _IMAGE), 0.050),
    }
    return [_row(bench, engine, work, *what) for work, what in commands.items()]


def _row(bench: Bench, engine: Engine, work: str, command: Sequence[str], limit: float) -> Row:
    measure = partial(_imports, engine, command)
    count = measure().modules  # and whatever was not compiled yet is from now on
    trials = {"lamina": lambda: measure().seconds}
    figures, notes = interleaved(trials, max(bench.runs, 11))
    return Row(f"imports of {work}: {count} modules", "ms", figures, limit, (), notes)


def _imports(engine: Engine, command: Sequence[str]) -> Imports:
    verb, *arguments = command
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *engine.command(verb, *arguments)],
        env=engine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{engine.name} {verb}: {done.stderr.strip()[-300:]}")
    found = [(match[2], int(match[1])) for match in _LINE.finditer(done.stderr)]
    started = [name for name, _ in found].index(_INTERPRETER) + 1
    return Imports(sum(spent for _, spent in found[started:]) / 1e6, len(found) - started)
