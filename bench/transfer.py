"""Moving images: pull, push, import, and the memory that a big layer takes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

from bench import material, peers
from bench.measure import Engine, interleaved
from bench.rows import Bench, Row, forget

PEERS = ("docker", "podman")
_numbers = count()


def pull(bench: Bench) -> Sequence[Row]:
    """Pull Debian into a store that has nothing; then with its files known from another image."""
    reference = f"{bench.registry}/debian:bookworm"

    def trial(engine: Engine) -> float:
        sample = engine.time("pull", "-q", reference)
        forget(engine, reference)
        return sample.seconds

    def known() -> float:
        engine = bench.own_store("known")
        engine("pull", "-q", reference)
        seconds = engine.time("pull", "-q", f"{bench.registry}/twin:latest").seconds
        forget(engine, reference)
        return seconds

    engines = {**bench.engines, "lamina": bench.own_store("pull")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    figures, notes = interleaved({**trials, "again": known}, bench.runs)
    again = figures.pop("again", None)
    rows = [Row("pull Debian from a registry on loopback", "s", figures, 0.35, PEERS, notes)]
    if again is not None:
        both = {"lamina": again, "own first pull": figures.get("lamina", 0.0)}
        what = "pull it again, its files known from another image"
        rows.append(Row(what, "s", both, 0.6, ("own first pull",)))
    return rows


def push(bench: Bench) -> Sequence[Row]:
    """Push Debian, never compressed before, to a registry that has nothing."""

    def trial(engine: Engine) -> float:
        bench.ready(engine, "bench/debian:tar", material.debian_tar())
        directory = bench.disk / f"registry-{next(_numbers)}"
        with peers.registry(directory) as host:
            target = f"{host}/debian:bookworm"
            engine("tag", "bench/debian:tar", target)
            seconds = engine.time("push", target).seconds
            engine("rmi", target)
        shutil.rmtree(directory)
        return seconds

    trials = {name: partial(trial, engine) for name, engine in bench.engines.items()}
    figures, notes = interleaved(trials, bench.runs)
    return [Row("push it to an empty registry", "s", figures, 0.35, PEERS, notes)]


def import_(bench: Bench) -> Sequence[Row]:
    """Import Debian's plain tar."""

    def trial(engine: Engine, tar: Path) -> float:
        seconds = engine.time("import", str(tar), "bench/import:tar").seconds
        forget(engine, "bench/import:tar")
        return seconds

    engines = {**bench.engines, "lamina": bench.own_store("import")}
    trials = {
        name: partial(trial, engine, material.debian_tar()) for name, engine in engines.items()
    }
    figures, notes = interleaved(trials, bench.runs)
    return [Row("import its tar", "s", figures, 0.6, PEERS, notes)]


def memory(bench: Bench) -> Sequence[Row]:
    """The largest resident set while a layer of 1 GB is pulled (docker's is its daemon's)."""
    reference = f"{bench.registry}/big:latest"
    material.seed(material.big(), reference)

    def trial(engine: Engine) -> float:
        peak = engine.time("pull", "-q", reference).peak
        forget(engine, reference)
        return float(peak)

    figures, notes = interleaved(
        {"lamina": partial(trial, bench.own_store("memory"))}, min(bench.runs, 5)
    )
    if podman := bench.engines.get("podman"):
        once, more = interleaved({"podman": partial(trial, podman)}, 1)
        figures, notes = {**once, **figures}, [*notes, *more]
    return [Row("memory while pulling a layer of 1 GB", "MB", figures, 120e6, (), notes)]
