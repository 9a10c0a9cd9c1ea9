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
    from lamina.store.contract import Store

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
_HEADERS = {"Container": "CONTAINER"}
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
    looks = (
        _rows(records, one, two, no_trunc=no_trunc)
        for records, one, two in _looks(app, containers, all_=all_)
    )
    if sys.stdout.isatty() and not no_stream and fmt != "json":
        from lamina.cli.stats_live import show

        show(app, looks, _COLUMNS, "" if fmt == "table" else fmt)
        return
    for rows in looks:
        emit(render(rows, fmt, _COLUMNS, headers=_HEADERS))
        sys.stdout.flush()
        if no_stream:
            break


def _looks(
    app: App, names: tuple[str, ...], *, all_: bool
) -> Iterator[tuple[list[ContainerRecord], Samples, Samples]]:
    """The containers, and what each had used a moment ago and has now; over when all that
    were named are gone."""
    if names:
        names = tuple(app.engine.store.containers.find(name).id for name in names)
    records, before = _look(app, names, all_=all_)
    time.sleep(_FIRST)
    while True:
        records, after = _look(app, names, all_=all_)
        if names and not records:
            return
        yield records, before, after
        before = after
        time.sleep(_INTERVAL)


def _look(app: App, names: tuple[str, ...], *, all_: bool) -> tuple[list[ContainerRecord], Samples]:
    from lamina.lifecycle.stats import sample

    store = app.engine.store
    if names:
        looked_for = [_find(store, name) for name in names]
        records = [each for each in looked_for if each is not None]
    else:
        running = ("running", "paused")
        records = [each for each in store.containers if all_ or each.status in running][::-1]
    samples = {each.id: found for each in records if (found := sample(each)) is not None}
    return records, samples


def _find(store: Store, identity: str) -> ContainerRecord | None:
    """None for one that was removed since."""
    from lamina.store.errors import ContainerNotFound

    try:
        return store.containers.find(identity)
    except ContainerNotFound:
        return None


def _rows(
    records: list[ContainerRecord], before: Samples, after: Samples, *, no_trunc: bool
) -> list[dict[str, object]]:
    from lamina.lifecycle.stats import host_memory

    host = host_memory()
    return [
        _row(each, before.get(each.id), after.get(each.id), host, no_trunc=no_trunc)
        for each in records
    ]


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
