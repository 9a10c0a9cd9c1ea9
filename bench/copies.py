"""A context of 20,000 files: copied, known again, changed in one place; and four stages at once."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import material
from bench.measure import Engine, Sample, interleaved, settle
from bench.rows import Bench, Row

FILES, BYTES = 20_000, 800_000_000
STAGES = 4
_DIRECTORIES = 400
_WORK = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo {stage} $i > /out"


def copies(bench: Bench) -> Sequence[Row]:
    """`COPY . /srv` of 800 MB: afresh, with nothing changed, with one file changed."""
    context = _tree(bench)
    for engine in bench.engines.values():
        bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
    runs = min(bench.runs, 3)
    fresh = {name: partial(_afresh, engine, context) for name, engine in bench.engines.items()}
    fresh["lamina"] = partial(_elsewhere, bench, context)
    figures, notes = interleaved(fresh, runs)
    what = f"COPY of {FILES:,} files, {BYTES / 1e6:.0f} MB"
    rows = [Row(what, "s", figures, 0.2, ("podman",), notes)]
    again = {name: partial(_again, engine, context) for name, engine in bench.engines.items()}
    figures, notes = interleaved(again, runs)
    rows.append(Row("that again, nothing changed", "ms", figures, 0.150, (), notes))
    changed = {name: partial(_changed, engine, context) for name, engine in bench.engines.items()}
    figures, notes = interleaved(changed, runs)
    rows.append(Row("that again, one file changed", "s", figures, 0.6, (), notes))
    figures, notes = interleaved({"lamina": partial(_peak, bench, context)}, 1)
    rows.append(Row("memory while it is copied", "MB", figures, 150e6, (), notes))
    return rows


def stages(bench: Bench) -> Sequence[Row]:
    """Four stages that know nothing of each other, beside the time that they take in turn."""
    bench.ready(bench.lamina, "bench/busybox:tar", material.busybox_tar())
    context = bench.disk / "context-stages"
    context.mkdir(exist_ok=True)
    parts = [
        f"FROM bench/busybox:tar AS s{number}\nRUN {_WORK.format(stage=number)}\n"
        for number in range(STAGES)
    ]
    copied = "".join(f"COPY --from=s{number} /out /{number}\n" for number in range(STAGES))
    (context / "Dockerfile").write_text(f"{''.join(parts)}FROM bench/busybox:tar\n{copied}")
    trials = {
        "lamina": partial(_afresh, bench.lamina, context),
        "serial": partial(_in_turn, bench.lamina, context),
    }
    figures, notes = interleaved(trials, bench.runs)
    return [Row("four independent stages on two cores", "s", figures, 0.6, ("serial",), notes)]


def _tree(bench: Bench) -> Path:
    context = bench.disk / "context-tree"
    if context.exists():
        return context
    chance = random.Random(1)
    for number in range(FILES):
        place = context / "src" / f"d{number % _DIRECTORIES}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"f{number}").write_bytes(chance.randbytes(BYTES // FILES))
    (context / "Dockerfile").write_text("FROM bench/busybox:tar\nCOPY src /srv\n")
    # What has just been written may change again unseen; a checkout is older than that.
    settle()
    time.sleep(1)
    return context


def _afresh(engine: Engine, context: Path) -> float:
    # Nothing is removed between samples: ext4 makes files slowly where many were just deleted.
    return engine.time("build", "--no-cache", "-q", "-t", "bench/copied", str(context)).seconds


def _elsewhere(bench: Bench, context: Path) -> float:
    """In a store that has no file of the tree: ours would link it."""
    return _in_new_store(bench, context).seconds


def _in_new_store(bench: Bench, context: Path) -> Sample:
    engine = bench.own_store(f"copied-{time.time_ns()}")
    bench.ready(engine, "bench/busybox:tar", material.busybox_tar())
    settle()
    return engine.time("build", "-q", "-t", "bench/copied", str(context))


def _again(engine: Engine, context: Path) -> float:
    engine("build", "-q", "-t", "bench/copied", str(context))
    return engine.time("build", "-q", "-t", "bench/copied", str(context)).seconds


def _changed(engine: Engine, context: Path) -> float:
    engine("build", "-q", "-t", "bench/copied", str(context))
    (context / "src" / "d7" / "f7").write_text(f"{time.time_ns()}")
    time.sleep(0.1)
    return engine.time("build", "-q", "-t", "bench/copied", str(context)).seconds


def _peak(bench: Bench, context: Path) -> float:
    return float(_in_new_store(bench, context).peak)


def _in_turn(engine: Engine, context: Path) -> float:
    total = 0.0
    for number in range(STAGES):
        target = ("--target", f"s{number}")
        args = ("--no-cache", "-q", "-t", "bench/stage", *target, str(context))
        total += engine.time("build", *args).seconds
    return total
