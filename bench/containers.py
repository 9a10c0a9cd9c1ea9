"""Starting containers: the whole command, and from a process that is warm already."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from bench import material, yard
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
    return [Row("run --rm IMAGE true", "ms", figures, 0.5, ("podman",), notes)]


def exec_(bench: Bench) -> Sequence[Row]:
    """`exec CONTAINER true` in a container that runs, whole process."""
    engines = {name: each for name, each in bench.engines.items() if name != "podman"}
    for engine in engines.values():
        bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
        engine("run", "-d", "--name", "busy", "bench/busybox:tar", "sleep", "600")

    def trial(engine: Engine) -> float:
        return engine.time("exec", "busy", "true").seconds

    try:
        trials = {name: partial(trial, engine) for name, engine in engines.items()}
        figures, notes = interleaved(trials, max(bench.runs, 11))
    finally:
        for engine in engines.values():
            engine("rm", "-f", "busy", check=False)
    return [Row("exec CONTAINER true", "ms", figures, 0.4, ("docker",), notes)]


def detached(bench: Bench) -> Sequence[Row]:
    """`run -d` with a bridge and a published port; and what comes through such a port."""
    with yard.yard() as place, yard.docker(place, bench.disk) as docker:
        ours = place.inside(bench.own_store("yard"))
        engines = {each.name: each for each in (docker, ours) if each is not None}
        for engine in engines.values():
            bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
        return [_detached(bench, engines), *_throughput(bench, place, engines)]


def _detached(bench: Bench, engines: Mapping[str, Engine]) -> Row:
    def trial(engine: Engine) -> float:
        try:
            return engine.time(
                "run", "-d", "--name", "busy", "-p", "8099:80", "bench/busybox:tar", "sleep", "600"
            ).seconds
        finally:
            engine("rm", "-f", "busy", check=False)

    trials = {name: partial(trial, engine) for name, engine in engines.items()}
    figures, notes = interleaved(trials, max(bench.runs, 11))
    return Row("run -d with a bridge and a port", "ms", figures, 0.4, ("docker",), notes)


_SERVED = 1 << 30
"""Bytes of the file that a container serves: a hole, so that no disk is measured."""


def _throughput(bench: Bench, place: yard.Yard, engines: Mapping[str, Engine]) -> Iterator[Row]:
    script = f"truncate -s {_SERVED} /tmp/big && exec httpd -f -p 80 -h /tmp"
    ports: dict[str, str] = {}
    for number, (name, engine) in enumerate(engines.items()):
        ports[name] = str(8100 + number)
        engine(
            "run", "-d", "--name", "server", "--tmpfs", "/tmp:size=2g",
            "-p", f"{ports[name]}:80", "bench/busybox:tar", "sh", "-c", script,
        )  # fmt: skip

    def trial(port: str, address: str) -> float:
        seconds, total = place.fetch(port, address=address)
        if total < _SERVED:
            raise Failed(f"{total} bytes of {_SERVED} came through port {port}")
        return seconds

    try:
        for what, address in (("from outside", yard.ADDRESS), ("from this host", "127.0.0.1")):
            trials = {name: partial(trial, port, address) for name, port in ports.items()}
            figures, notes = interleaved(trials, bench.runs)
            work = f"1 GB through a published port, {what}"
            yield Row(work, "s", figures, 1 / 0.9, ("docker",), notes)
    finally:
        for engine in engines.values():
            engine("rm", "-f", "server", check=False)


def supervisor(bench: Bench) -> Sequence[Row]:
    """What stays beside a detached container: the resident memory of its watcher."""
    engine = bench.lamina
    bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
    engine("run", "-d", "--name", "watched", "bench/busybox:tar", "sleep", "600")
    try:
        store = open_engine(Path(engine.prefix[-1])).store
        watcher = store.containers.find("watched").watcher
        time.sleep(_BECOMING_SMALL)
        status = Path(f"/proc/{watcher}/status").read_text()
    finally:
        engine("rm", "-f", "watched", check=False)
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    figures = {"lamina": int(resident.split()[1]) * 1024.0}
    return [Row("supervisor of a container, resident", "MB", figures, 12e6)]


_HUNDRED = """
import sys, time
import lamina

with lamina.open(sys.argv[1]) as engine:
    engine.run("bench/busybox:tar", "true", network="none")
    started = time.perf_counter()
    for _ in range(100):
        engine.run("bench/busybox:tar", "true", network="none")
    print(time.perf_counter() - started)
"""
"""The first, which imports, is not counted."""
_BECOMING_SMALL = 0.5
"""Seconds after which the watcher is the small program for certain."""


def hundred(bench: Bench) -> Sequence[Row]:
    """100 containers one after the other from one process, from record to removal."""
    engine = bench.lamina
    bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
    done = subprocess.run(
        [sys.executable, "-c", _HUNDRED, engine.prefix[-1]],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"100 containers: {done.stderr.strip()[-300:]}")
    figures = {"lamina": float(done.stdout)}
    return [Row("100 containers from one process", "s", figures, 2.0)]


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
