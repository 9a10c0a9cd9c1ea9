"""Explaining an image: one of 20 layers and 100,000 entries, and an archive beside dive."""

from __future__ import annotations

import os
import pty
import select
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from bench import material
from bench.measure import Engine, Failed, interleaved, timed
from bench.peers import ENVIRONMENT
from bench.queries import layer, name
from bench.rows import Bench, Row, forget
from lamina.engine import open_engine

LAYERS, PACKAGES, FILES = 20, 100, 48
"""Of the large image: layers, packages that each adds, and files of a package."""
GONE, AGAIN = 20, 50
"""Packages of the layer below that each layer deletes, and the one that it ships again."""
IMAGE = "bench/large:1"
ROWS, COLUMNS = 40, 140


def explain(bench: Bench) -> Sequence[Row]:
    """`explain` and the explorer's first screen, whole processes; the listings are stored."""
    engine = bench.own_store("explain")
    store = open_engine(Path(engine.prefix[-1])).store
    made = [store.layers.ingest(layer(_files(n)), expected=None).diff_id for n in range(LAYERS)]
    name(store, made, IMAGE)
    entries = sum(store.layers.info(each).entry_count for each in made)
    engine("explain", IMAGE)  # hashes what nobody has hashed yet
    what = f"of an image of {LAYERS} layers, {entries:,} entries"
    figures, notes = interleaved(
        {"lamina": lambda: engine.time("explain", IMAGE).seconds}, bench.runs
    )
    rows = [Row(f"explain {what}", "ms", figures, 0.5, (), notes)]
    figures, notes = interleaved({"lamina": lambda: _first_screen(engine)}, bench.runs)
    rows.append(Row(f"explore {what}, until it is drawn", "ms", figures, 1.0, (), notes))
    forget(engine, IMAGE)
    return rows


def archive(bench: Bench) -> Sequence[Row]:
    """`explain` of what `docker save` writes of the seed's image, beside dive."""
    engine = bench.own_store("archive")
    engine("import", str(material.debian_tar()), "debian:bookworm")
    engine("build", "-q", "-t", "seed", str(Path(__file__).parents[1] / "demo" / "seed"))
    saved = bench.disk / "seed.tar"
    engine("save", "-o", str(saved), "seed")
    forget(engine, "seed")
    report = str(bench.disk / "dive.json")
    dive = str(Path(sys.executable).parent / "dive")
    told = [dive, "--source", "docker-archive", str(saved), "--json", report]
    trials = {
        "dive": lambda: timed(told, ENVIRONMENT, "dive").seconds,
        "lamina": lambda: engine.time("explain", f"docker-archive:{saved}").seconds,
    }
    figures, notes = interleaved(trials, bench.runs)
    saved.unlink()
    return [
        Row("explain a docker-archive of the seed's image", "s", figures, 0.7, ("dive",), notes)
    ]


def _files(number: int) -> Iterator[tuple[str, bytes]]:
    for package in range(PACKAGES):
        yield from _package(number, package)
    if number:
        for package in range(GONE):
            yield f"usr/lib/.wh.package-{number - 1}-{package}", b""
        yield from _package(number - 1, AGAIN)


def _package(number: int, package: int) -> Iterator[tuple[str, bytes]]:
    for file in range(FILES):
        path = f"usr/lib/package-{number}-{package}/module_{file:03}.py"
        yield path, b"%d of %d in %d\n" % (file, package, number) * 20


def _first_screen(engine: Engine) -> float:
    """Seconds from the start of the explorer until the image's first directory is on the
    screen; then it is ended by its own key."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(
            engine.prefix[0],
            engine.command("explore", IMAGE),
            {**engine.environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        _await(terminal, b"usr")
        return time.perf_counter() - started
    finally:
        os.write(terminal, b"q")
        _drain(terminal)
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        if status:
            raise Failed(f"lamina explore ended with {os.waitstatus_to_exitcode(status)}")


def _await(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        if not select.select([terminal], [], [], 20)[0]:
            raise Failed("lamina explore drew nothing")
        seen += os.read(terminal, 1 << 16)


def _drain(terminal: int) -> None:
    """Take what still comes, so that nobody waits to write it."""
    while True:
        try:
            if not os.read(terminal, 1 << 16):
                return
        except OSError:  # the other side is closed
            return
