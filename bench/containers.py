"""Starting containers: the whole command, and from a process that is warm already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench import material
from bench.measure import Engine, interleaved
from bench.rows import Bench, Row


def run(bench: Bench) -> Sequence[Row]:
    """`run --rm IMAGE true`, whole process, on the host's network."""
    for engine in bench.engines.values():
        bench.ready(engine, "bench/busybox:tar", material.busybox_tar())

    def trial(engine: Engine) -> float:
        return engine.time("run", "--rm", "bench/busybox:tar", "true").seconds

    trials = {name: partial(trial, engine) for name, engine in bench.engines.items()}
    figures, notes = interleaved(trials, max(bench.runs, 11))
    return [Row("run --rm IMAGE true", "ms", figures, 0.6, ("podman",), notes)]
