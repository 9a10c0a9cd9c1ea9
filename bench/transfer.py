"""Moving images: pull, push, save, import, and the memory that a big layer takes."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import floors, material, peers
from bench.measure import Engine, interleaved, settle
from bench.rows import Bench, Row, forget

PEERS = ("docker", "podman")
PULLERS = (*PEERS, "umoci")
ARCHIVE = ("--format", "oci-archive")
DEBIAN = "bench/debian:tar"


def pull(bench: Bench) -> Sequence[Row]:
    """Pull Debian into a store that has nothing; then with its files known from another image."""
    reference = f"{bench.registry}/debian:bookworm"

    def trial(engine: Engine) -> float:
        sample = engine.time("pull", "-q", reference)
        forget(engine, reference)
        return sample.seconds

    engines = {**bench.engines, "lamina": bench.own_store("pull")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    trials |= peers.umoci(material.debian(), bench.disk)
    figures, notes = interleaved(trials, bench.runs)
    floor = floors.pull(bench, material.debian(), material.debian_tar(), "debian")
    what = "pull Debian from a registry on loopback"
    return [Row(what, "s", figures, 0.22, PULLERS, notes, floor=floor), *_again(bench)]


def _again(bench: Bench) -> Sequence[Row]:
    """As trees alone: layers that are images share no files."""
    engine = bench.own_store("known")
    first: list[float] = []
    tree = ("pull", "-q", "--layer-form=tree")

    def trial() -> float:
        first.append(engine.time(*tree, f"{bench.registry}/debian:bookworm").seconds)
        settle()
        seconds = engine.time(*tree, f"{bench.registry}/twin:latest").seconds
        forget(engine, f"{bench.registry}/debian:bookworm")
        return seconds

    figures, notes = interleaved({"lamina": trial}, bench.runs)
    if "lamina" in figures:
        figures["own first pull"] = statistics.median(first)
    what = "pull it again as a tree, its files known from another image"
    return [Row(what, "s", figures, 0.6, ("own first pull",), notes)]


def push(bench: Bench) -> Sequence[Row]:
    """Push Debian, never compressed before, to a registry that has nothing."""

    def trial(engine: Engine) -> float:
        with _imported(bench, engine), peers.registry(bench.disk / "registry-push") as host:
            target = f"{host}/debian:bookworm"
            engine("tag", DEBIAN, target)
            seconds = engine.time("push", target).seconds
            engine("rmi", target)
        shutil.rmtree(bench.disk / "registry-push")
        return seconds

    engines = {**bench.engines, "lamina": bench.own_store("push")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    figures, notes = interleaved(trials, bench.runs)
    floor = floors.push(bench, material.debian_tar())
    what = "push it to an empty registry"
    return [Row(what, "s", figures, 0.25, PEERS, notes, floor=floor)]


def save(bench: Bench) -> Sequence[Row]:
    """Save Debian, never compressed before, to an archive (docker's is not compressed)."""
    forms = {"docker": (), "podman": ARCHIVE, "lamina": ARCHIVE}
    target = bench.disk / "saved.tar"

    def trial(engine: Engine) -> float:
        target.unlink(missing_ok=True)
        with _imported(bench, engine):
            form = forms[engine.name]
            return engine.time("save", *form, "-o", str(target), DEBIAN).seconds

    engines = {**bench.engines, "lamina": bench.own_store("save")}
    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    figures, notes = interleaved(trials, bench.runs)
    target.unlink(missing_ok=True)
    floor = floors.save(bench, material.debian_tar())
    what = "save it as an oci-archive (docker: its own, plain)"
    return [Row(what, "s", figures, 0.3, PEERS, notes, floor=floor)]


@contextmanager
def _imported(bench: Bench, engine: Engine) -> Iterator[None]:
    """Debian from its tar, for the length of the block: ours anew, for it remembers what it
    compressed once."""
    bench.ready(engine, DEBIAN, material.debian_tar())
    settle()
    yield
    if engine.name == "lamina":
        forget(engine, DEBIAN)


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
