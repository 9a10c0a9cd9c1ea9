"""An image of 250 MB of which 50 MB are hidden, made without them; two images compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import material
from bench.measure import Engine, interleaved, timed
from bench.rows import Bench, Row, forget

NAME = "bench/wasteful"
DOCKERFILE = """\
FROM bench/debian:tar
RUN mkdir /data && for n in 1 2 3 4; do head -c 25000000 /dev/urandom > /data/$n; done
RUN rm /data/1 /data/2
"""
"""One layer of 100 MB of which half is hidden: 50 MB are written anew."""


def slim(bench: Bench) -> Sequence[Row]:
    """`slim` beside docker-squash where it is installed, and `verify` of the two images."""
    engine = bench.own_store("slim")
    bench.ready(engine, "bench/debian:tar", material.debian_tar())
    context = bench.disk / "context-slim"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    engine("build", "-q", "-t", NAME, str(context))
    repack = {"lamina": partial(_slim, engine)} | _squash(bench, engine)
    figures, notes = interleaved(repack, bench.runs)
    rows = [Row("slim: 50 MB of 250 MB written anew", "s", figures, 0.5, (), notes)]
    if "docker-squash" in figures:
        rows.append(Row("the same, to it", "s", figures, 0.5, ("docker-squash",)))
    engine("slim", NAME, "-t", "bench/slim")
    verify = {"lamina": lambda: engine.time("verify", NAME, "bench/slim").seconds}
    figures, notes = interleaved(verify, bench.runs)
    rows.append(Row("verify: two images of 200 MB", "s", figures, 0.5, (), notes))
    forget(engine, NAME)
    return rows


def _slim(engine: Engine) -> float:
    try:
        return engine.time("slim", NAME, "-t", "bench/slim").seconds
    finally:
        # What was made goes, so that the next run makes it again.
        engine("rmi", "-f", "bench/slim", check=False)
        engine("prune", "-f", check=False)


def _squash(bench: Bench, ours: Engine) -> dict[str, partial[float]]:
    """The trial of docker-squash on the same image, saved from our store to docker's."""
    docker, program = bench.engines.get("docker"), shutil.which("docker-squash")
    if docker is None or program is None:
        return {}
    archive = bench.disk / "wasteful.tar"
    ours("save", "-q", "-o", str(archive), NAME)
    docker("load", "-q", "-i", str(archive))
    archive.unlink()
    lines = len(docker("history", "-q", f"{NAME}:latest").split())
    base = len(json.loads(ours("inspect", "bench/debian:tar"))[0]["RootFS"]["Layers"])
    output = bench.disk / "squashed.tar"
    return {"docker-squash": partial(_squashed, docker, program, lines - base, output)}


def _squashed(docker: Engine, program: str, lines: int, output: Path) -> float:
    command = [program, "--load-image=false", "--output-path", str(output), "-f", str(lines)]
    try:
        what = timed(
            [*command, "-t", "bench/squashed", f"{NAME}:latest"], docker.environment, "squash"
        )
        return what.seconds
    finally:
        output.unlink(missing_ok=True)
