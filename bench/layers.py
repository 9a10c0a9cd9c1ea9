"""What the form of a layer decides: large layers, many entries, first starts, many layers."""

from __future__ import annotations

import statistics
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import floors, material, peers
from bench.measure import Engine, cold, interleaved, settle
from bench.rows import Bench, Floor, Row, forget
from bench.transfer import PEERS, PULLERS

FEW = 3
"""Samples where one takes the peers many seconds."""
DEPTHS = (1, 20, 120)


def large(bench: Bench) -> Sequence[Row]:
    """Pull one layer of many bytes."""
    reference = f"{bench.registry}/large:latest"
    material.seed(material.large(), reference)

    def trial(engine: Engine) -> float:
        seconds = engine.time("pull", "-q", reference).seconds
        forget(engine, reference)
        return seconds

    engines = {**bench.engines, "lamina": bench.own_store("large")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    trials |= peers.umoci(material.large(), bench.disk)
    figures, notes = interleaved(trials, min(bench.runs, FEW))
    floor = floors.pull(bench, material.large(), material.large_tar(), "large")
    what = f"pull a layer of {_extent(material.large_tar())}"
    return [Row(what, "s", figures, 0.15, PULLERS, notes, floor=floor)]


def modules(bench: Bench) -> Sequence[Row]:
    """Pull one layer of 60,000 entries; remove it."""
    reference = f"{bench.registry}/modules:latest"
    material.seed(material.modules(), reference)
    removals: dict[str, list[float]] = {}

    def trial(engine: Engine) -> float:
        seconds = engine.time("pull", "-q", reference).seconds
        settle()
        removed = engine.time("rmi", reference).seconds
        removals.setdefault(engine.name, []).append(removed)
        return seconds

    engines = {**bench.engines, "lamina": bench.own_store("modules")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    trials |= peers.umoci(material.modules(), bench.disk)
    figures, notes = interleaved(trials, min(bench.runs, FEW))
    removed = {name: statistics.median(found) for name, found in removals.items()}
    tar = material.modules_tar()
    pulled = floors.pull(bench, material.modules(), tar, "modules")
    what = f"pull a node_modules of {_extent(tar)}"
    return [
        Row(what, "s", figures, 0.12, PULLERS, notes, floor=pulled),
        Row("rmi of it", "ms", removed, 0.05, PEERS, floor=floors.remove(bench, tar)),
    ]


def first(bench: Bench) -> Sequence[Row]:
    """The first `run` after a pull, with nothing in the page cache, whole process."""
    reference = f"{bench.registry}/python:latest"
    material.seed(material.python(), reference)

    def trial(engine: Engine) -> float:
        engine("pull", "-q", reference)
        cold()
        seconds = engine.time("run", "--rm", reference, "python3", "-c", "pass").seconds
        # Our store stays as well as theirs: what an engine keeps beside images is there already.
        engine("rmi", "-f", reference)
        return seconds

    engines = {**bench.engines, "lamina": bench.own_store("first")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    figures, notes = interleaved(trials, bench.runs)
    floor = floors.first_run(bench, material.python_tar())
    what = "first run of python3 -c pass after a pull, cold"
    return [Row(what, "ms", figures, 0.6, PEERS, notes, floor=floor)]


def depth(bench: Bench) -> Sequence[Row]:
    """How far apart `run --rm` is on images of few and of many layers."""
    engine = bench.own_store("depth")

    def trial(reference: str) -> float:
        return engine.time("run", "--rm", reference, "true").seconds

    references = {str(count): f"{bench.registry}/layered:{count}" for count in DEPTHS}
    for count, reference in references.items():
        material.seed(material.layered(int(count)), reference)
        engine("pull", "-q", reference)
        trial(reference)  # what is mounted is mounted once
    trials = {count: partial(trial, reference) for count, reference in references.items()}
    figures, notes = interleaved(trials, max(bench.runs, 25))
    for reference in references.values():
        forget(engine, reference)
    apart = max(figures.values()) - min(figures.values()) if len(figures) == len(DEPTHS) else None
    said = ", ".join(f"{value * 1e3:.1f} ms on {count}" for count, value in figures.items())
    spread = {} if apart is None else {"lamina": apart}
    what = f"run --rm on {DEPTHS[0]}, {DEPTHS[1]} and {DEPTHS[2]} layers: how far apart"
    return [Row(what, "ms", spread, 0.005, (), notes, floor=Floor(0, f"none; {said} layers"))]


def _extent(tar: Path) -> str:
    with tarfile.open(tar) as archive:
        entries = sum(1 for _ in archive)
    return f"{tar.stat().st_size / 1e6:.0f} MB, {entries:,} entries"
