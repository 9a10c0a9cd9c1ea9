"""Starting containers: the whole command, and from a process that is warm already."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

from bench import material
from bench.measure import Engine, Failed, interleaved
from bench.rows import Bench, Row
from lamina.engine import open_engine
from lamina.run.launch import launch
from lamina.run.spec import ContainerSpec, Overlay, Process, Streams

_numbers = count()


def run(bench: Bench) -> Sequence[Row]:
    """`run --rm IMAGE true`, whole process, on the host's network."""
    for engine in bench.engines.values():
        bench.ready(engine, "bench/busybox:tar", material.busybox_tar())

    def trial(engine: Engine) -> float:
        return engine.time("run", "--rm", "bench/busybox:tar", "true").seconds

    trials = {name: partial(trial, engine) for name, engine in bench.engines.items()}
    figures, notes = interleaved(trials, max(bench.runs, 11))
    return [Row("run --rm IMAGE true", "ms", figures, 0.6, ("podman",), notes)]


def warm(bench: Bench) -> Sequence[Row]:
    """A container of `true` from start to exit, within this process: no command line."""
    engine = bench.lamina
    bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
    store = open_engine(Path(engine.prefix[-1])).store
    layers = store.images.find("bench/busybox:tar").layers
    nothing = os.open(os.devnull, os.O_RDWR)

    def trial(lowers: tuple[Path, ...]) -> float:
        directory = bench.disk / f"warm-{next(_numbers)}"
        for part in ("upper", "work", "merged"):
            (directory / part).mkdir(parents=True)
        spec = ContainerSpec(
            identity=f"{next(_numbers):064x}",
            directory=directory,
            rootfs=Overlay(lowers, directory / "upper", directory / "work", volatile=True),
            process=Process(("true",), ("PATH=/bin",)),
            cache=bench.disk / "warm-cache",
        )
        started = time.perf_counter()
        status = launch(spec, Streams(nothing, nothing, nothing))
        seconds = time.perf_counter() - started
        if status != 0:
            raise Failed(f"lamina launch: exit status {status}")
        return seconds

    (bench.disk / "warm-cache").mkdir()
    with store.layers.lowers(layers) as lowers:
        figures, notes = interleaved({"lamina": partial(trial, lowers)}, max(bench.runs, 25))
    os.close(nothing)
    return [Row("container start to exit, warm process", "ms", figures, 0.010, (), notes)]
