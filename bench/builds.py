"""Ten small steps: without a cache, and with everything cached."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import material
from bench.measure import Engine, interleaved, timed
from bench.peers import ENVIRONMENT
from bench.rows import Bench, Row

STEPS = "".join(f"RUN echo {number}\n" for number in range(10))
PEERS = ("docker", "podman", "buildkit")


def build(bench: Bench) -> Sequence[Row]:
    """`FROM debian` and ten `RUN echo`, whole process."""
    context = _context(bench, "debian", "bench/debian:tar")
    small = _context(bench, "small", "bench/busybox:tar")
    for engine in bench.engines.values():
        bench.ready(engine, "bench/debian:tar", material.debian_tar())
        bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
    fresh = {
        name: partial(_fresh, engine, context) for name, engine in bench.engines.items()
    } | _buildkit(bench, "--no-cache")
    figures, notes = interleaved(fresh, bench.runs)
    rows = [
        Row("ten RUN echo, no cache", "s", figures, 0.25, ("docker",), notes),
    ]
    if "buildkit" in figures:
        both = {name: value for name, value in figures.items() if name in ("buildkit", "lamina")}
        rows.append(Row("the same, against BuildKit", "s", both, 0.3, ("buildkit",)))
    cached = {
        name: partial(_cached, engine, context) for name, engine in bench.engines.items()
    } | _buildkit(bench)
    figures, notes = interleaved(cached, bench.runs)
    rows.append(Row("the same, all cached", "ms", figures, 0.100, (), notes))
    figures, notes = interleaved({"lamina": partial(_cached, bench.lamina, small)}, bench.runs)
    rows.append(Row("all cached, on busybox (2 MB)", "ms", figures, 0.100, (), notes))
    return rows


def _fresh(engine: Engine, context: Path) -> float:
    return engine.time("build", "--no-cache", "-q", "-t", "bench/fresh", str(context)).seconds


def _cached(engine: Engine, context: Path) -> float:
    # The first time fills the cache, untimed.
    engine("build", "-q", "-t", "bench/cached", str(context))
    return engine.time("build", "-q", "-t", "bench/cached", str(context)).seconds


def _buildkit(bench: Bench, *options: str) -> dict[str, partial[float]]:
    if bench.buildkit is None:
        return {}
    context = _context(bench, "buildkit", f"{bench.registry}/debian:bookworm")
    command = [
        "buildctl", f"--addr=unix://{bench.buildkit}", "build", "--frontend=dockerfile.v0",
        f"--local=context={context}", f"--local=dockerfile={context}", "--progress=plain", *options,
    ]  # fmt: skip
    timed(command, ENVIRONMENT, "buildctl")
    return {"buildkit": partial(_seconds, command)}


def _seconds(command: list[str]) -> float:
    return timed(command, ENVIRONMENT, "buildctl").seconds


def _context(bench: Bench, name: str, base: str) -> Path:
    context = bench.disk / f"context-{name}"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(f"FROM {base}\n{STEPS}")
    return context
