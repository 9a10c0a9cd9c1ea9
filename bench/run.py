"""Measure Lamina beside its peers, print the table and write it to `bench/results.md`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import (
    builds,
    containers,
    copies,
    explaining,
    layers,
    material,
    minifying,
    peers,
    queries,
    slimming,
    startup,
    stores,
    transfer,
)
from bench.disk import fresh_disk
from bench.rows import Bench, Floor, Measurement, Row, attempt

MEASUREMENTS: dict[str, Measurement] = {
    # The first five while no engine holds a layer that another row needs.
    "pull": transfer.pull,
    "large": layers.large,
    "modules": layers.modules,
    "disk": stores.disk,
    "import": transfer.import_,
    "push": transfer.push,
    "save": transfer.save,
    "run": containers.run,
    "first": layers.first,
    "depth": layers.depth,
    "warm": containers.warm,
    "exec": containers.exec_,
    "detached": containers.detached,
    "hundred": containers.hundred,
    "supervisor": containers.supervisor,
    "imports": startup.imports,
    "build": builds.build,
    "copies": copies.copies,
    "stages": copies.stages,
    "images": stores.images,
    "explain": explaining.explain,
    "archive": explaining.archive,
    "sql": queries.sql,
    "slim": slimming.slim,
    "minify": minifying.minify,
    "memory": transfer.memory,
}
RESULTS = Path(__file__).with_name("results.md")
COLUMNS = ("docker", "podman", "umoci", "buildkit", "dive", "docker-squash", "lamina")


def main() -> int:
    """Measure; exits 1 when a goal is not met or a measurement failed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="measure only this")
    parser.add_argument("--runs", type=int, default=5, help="samples for each median (default: 5)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the bench needs root: it mounts a disk and runs docker and podman", file=sys.stderr)
        return 1
    started = time.monotonic()
    rows: list[Row] = []
    failures: list[str] = []
    with prepared(options.runs) as bench:
        for name in options.only or MEASUREMENTS:
            print(f"measuring: {name}", file=sys.stderr)
            found, failure = attempt(MEASUREMENTS[name], bench)
            rows += found
            failures += [failure] if failure else []
    failures += [note for row in rows for note in row.notes]
    tables = "\n\n".join(filter(None, (render(rows), limits(rows))))
    print(tables)
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    print(f"{time.monotonic() - started:.0f} s in all", file=sys.stderr)
    if not options.only:
        RESULTS.write_text(f"# What `make bench` printed\n\n{machine(options.runs)}\n\n{tables}\n")
    return 1 if failures or any(row.met is not True for row in rows) else 0


@contextmanager
def prepared(runs: int) -> Iterator[Bench]:
    """A fresh disk, a registry with the images on it, and the peers; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as directory, ExitStack() as stack:
        images = {"debian:bookworm": material.debian(), "twin:latest": material.twin()}
        disk = stack.enter_context(fresh_disk(Path(directory)))
        registry = stack.enter_context(peers.registry(disk / "registry"))
        for name, layout in images.items():
            material.seed(layout, f"{registry}/{name}")
        found = [stack.enter_context(peer(disk)) for peer in (peers.docker, peers.podman)]
        engines = {each.name: each for each in found if each is not None}
        engines["lamina"] = peers.lamina(disk)
        buildkit = stack.enter_context(peers.buildkit(disk, registry))
        yield Bench(disk, runs, engines, registry, buildkit)


def render(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, aligned for reading as it is."""
    heads = ["work", *COLUMNS, "goal", "ratio", "met"]
    return _table([heads, *([*_cells(row)] for row in rows)])


def limits(rows: Sequence[Row]) -> str:
    """A table of how near our figures are to what this machine allows; empty without any."""
    bounded = [(row, row.floor) for row in rows if row.floor and row.ours in row.figures]
    if not bounded:
        return ""
    table = _table([["work", "lamina", "limit", "×"], *(_near(*each) for each in bounded)])
    said = [f"- {row.work}: {floor.what}." for row, floor in bounded]
    return f"How near that is to the limit:\n\n{table}\n\n" + "\n".join(said)


def _near(row: Row, floor: Floor) -> list[str]:
    ours = row.figures[row.ours]
    near = f"{ours / floor.seconds:.1f}" if floor.seconds else ""
    return [row.work, figure(ours, row), figure(floor.seconds, row), near]


def _table(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    lines = [_line(line, widths) for line in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join([first, *rest])} |"


def _cells(row: Row) -> Iterator[str]:
    yield row.work
    for name in COLUMNS:
        yield figure(row.figures[name], row) if name in row.figures else ""
    yield f"≤ {row.limit:g} × {_basis(row)}" if row.basis else f"≤ {figure(row.limit, row)}"
    yield "" if row.ratio is None else f"{row.ratio:.2f}"
    yield {True: "yes", False: "NO", None: "not measured"}[row.met]


def _basis(row: Row) -> str:
    return row.basis[0] if len(row.basis) == 1 else "the fastest"


def figure(value: float, row: Row) -> str:
    """A number with its unit: `0.31 s`, `48 ms`, `96 MB`."""
    if row.unit == "s":
        return f"{value:.2f} s"
    if row.unit == "ms" and value < 0.02:
        return f"{value * 1e3:.1f} ms"
    return f"{value * 1e3:.0f} ms" if row.unit == "ms" else f"{value / 1e6:.0f} MB"


def machine(runs: int) -> str:
    """What it was measured on: nothing that names the host."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    size = material.debian_tar().stat().st_size / 1e6
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {memory:.0f} GB of memory,"
        f" Linux {'.'.join(platform.release().split('.')[:2])}, Python {platform.python_version()};"
        " a fresh loop-mounted ext4 with a journal.\n"
        f"Medians of {runs}, the engines taken in turn (of {layers.FEW} where a layer is large).\n"
        f"Debian is bookworm, minbase: a tar of {size:.0f} MB. umoci fetches nothing: it unpacks"
        " from a local layout."
    )


if __name__ == "__main__":
    sys.exit(main())
