"""A Python image minified beside its own probes, and what it costs to watch a container."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import material
from bench.measure import Engine, interleaved
from bench.rows import Bench, Row, forget
from lamina.engine import open_engine
from lamina.explain.stack import image_stack
from lamina.minify.probe import CommandProbe
from lamina.minify.recorder import recording
from lamina.minify.trial import Laboratory, Settings
from lamina.run.lowers import lowers

NAME = "bench/python:tar"
WORK = ("python3", "-c", "import json, http.server, email, asyncio")


def minify(bench: Bench) -> Sequence[Row]:
    """`slim --minify` beyond the time of its probes, and a watched container's start."""
    engine = bench.own_store("minify")
    bench.ready(engine, NAME, material.python_tar())
    beyond, notes = interleaved({"lamina": partial(_beyond_its_probes, engine)}, bench.runs)
    rows = [Row("minify a Python image, its probes' time left out", "s", beyond, 2.0, (), notes)]
    watched = {"lamina": partial(_container, bench, engine, True)}
    watched["unwatched"] = partial(_container, bench, engine, False)
    figures, notes = interleaved(watched, 4 * bench.runs)
    rows.append(Row("a container that is watched", "ms", figures, 1.1, ("unwatched",), notes))
    forget(engine, NAME)
    return rows


def _beyond_its_probes(engine: Engine) -> float:
    """Seconds of the whole command, but for one probe before and one after."""
    probe = engine.time("run", "--rm", "--network", "none", NAME, *WORK).seconds
    command = " ".join([*WORK[:2], f"'{WORK[2]}'"])
    whole = engine.time("slim", "--minify", NAME, "-t", "bench/minified", "--cmd", command)
    engine("rmi", "-f", "bench/minified")
    engine("prune", "-f")
    return whole.seconds - 2 * probe


def _container(bench: Bench, engine: Engine, watch: bool) -> float:
    """Seconds from a container's start to its end, watched or not."""
    store = open_engine(Path(engine.prefix[-1])).store
    image = store.images.find(NAME)
    union = image_stack(store, image).union
    probe = CommandProbe(WORK)
    directory = bench.disk / f"watched-{time.monotonic_ns()}"
    directory.mkdir()
    laboratory = Laboratory(
        store.layers, directory, store.root / "cache", Settings((probe,)), lambda _: None
    )
    with recording(union) as recorder, lowers(store.layers, image.layers) as below:
        began = time.perf_counter()
        laboratory.try_out(image.config, below, [probe], recorder if watch else None)
        return time.perf_counter() - began
