"""`lamina stats`: what running containers use of this host."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.format import emit, format_option, render, size

if TYPE_CHECKING:
    from lamina.lifecycle.stats import Sample
    from lamina.store.container_contract import ContainerRecord

_COLUMNS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_INTERVAL = 1.0
_FIRST = 0.5
"""Seconds from the first look to the second, from which on there is a rate to show."""

Samples = Mapping[str, "Sample"]


@click.command(epilog="Example: lamina stats --no-stream")
@click.argument("containers", metavar="[CONTAINER]...", nargs=-1)
@click.option("-a", "--all", "all_", is_flag=True, help="Also those that do not run.")
@click.option("--no-stream", is_flag=True, help="Show one look, and end.")
@click.option("--no-trunc", is_flag=True, help="Do not shorten ids.")
@format_option
@click.pass_obj
def command(
    app: App,
    containers: tuple[str, ...],
    all_: bool,
    no_stream: bool,
    no_trunc: bool,
    fmt: str,
) -> None:
    """Show what containers use: processor, memory, network, disks, processes.

    Without names: those that run. The table is shown anew each second, until Ctrl-C.
    """
    looks = _looks(app, containers, all_=all_)
    texts = (_text(records, one, two, fmt, no_trunc=no_trunc) for records, one, two in looks)
    if no_stream:
        emit(next(texts))
    elif sys.stdout.isatty():
        _live(app, texts)
    else:
        for text in texts:
            emit(text)
            sys.stdout.flush()


def _live(app: App, texts: Iterator[str]) -> None:
    """One table, on one place of the screen."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not app.colored, highlight=False)
    try:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            for text in texts:
                shown = Text(text.rstrip("\n"), no_wrap=True, overflow="crop")
                live.update(shown, refresh=True)
    except KeyboardInterrupt:
        pass  # that is how one ends it


def _looks(
    app: App, names: tuple[str, ...], *, all_: bool
) -> Iterator[tuple[list[ContainerRecord], Samples, Samples]]:
    """The containers, and what each had used a moment ago and has now."""
    records, before = _look(app, names, all_=all_)
    time.sleep(_FIRST)
    while True:
        records, after = _look(app, names, all_=all_)
        yield records, before, after
        before = after
        time.sleep(_INTERVAL)


def _look(app: App, names: tuple[str, ...], *, all_: bool) -> tuple[list[ContainerRecord], Samples]:
    from lamina.lifecycle.stats import sample

    store = app.engine.store
    if names:
        records = [store.containers.find(name) for name in names]
    else:
        running = ("running", "paused")
        records = [each for each in store.containers if all_ or each.status in running][::-1]
    samples = {each.id: found for each in records if (found := sample(each)) is not None}
    return records, samples


def _text(
    records: list[ContainerRecord], before: Samples, after: Samples, fmt: str, *, no_trunc: bool
) -> str:
    from lamina.lifecycle.stats import host_memory

    host = host_memory()
    rows = [
        _row(each, before.get(each.id), after.get(each.id), host, no_trunc=no_trunc)
        for each in records
    ]
    return render(rows, fmt, _COLUMNS, headers={"Container": "CONTAINER"})


def _row(
    record: ContainerRecord,
    before: Sample | None,
    after: Sample | None,
    host: int,
    *,
    no_trunc: bool,
) -> dict[str, object]:
    from lamina.lifecycle.stats import processors

    identity = record.id if no_trunc else record.id[:12]
    who = {"Container": identity, "ID": identity, "Name": record.name}
    if after is None:
        return {
            **who,
            "CPUPerc": "0.00%",
            "MemUsage": "0B / 0B",
            "MemPerc": "0.00%",
            "NetIO": "0B / 0B",
            "BlockIO": "0B / 0B",
            "PIDs": "0",
        }
    usage = after.usage
    limit = min(usage.memory_limit or host, host)
    busy = processors(before, after) if before is not None else 0.0
    return {
        **who,
        "CPUPerc": f"{busy:.2%}",
        "MemUsage": f"{binary_size(usage.memory)} / {binary_size(limit)}",
        "MemPerc": f"{usage.memory / limit if limit else 0:.2%}",
        "NetIO": f"{size(after.received)} / {size(after.sent)}",
        "BlockIO": f"{size(usage.read_bytes)} / {size(usage.write_bytes)}",
        "PIDs": str(usage.pids),
    }


def binary_size(n: int) -> str:
    """Bytes as Docker shows memory: `1.5MiB`; four digits, 1 KiB is 1024 bytes."""
    value, unit = float(n), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.4g}{_UNITS[unit]}"
