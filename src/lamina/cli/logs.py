"""`lamina logs`: what a container printed."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.format import parse_time
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.run.logs import LogLine

_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_INTERVAL = 0.1


class BadTime(Invalid):
    """Neither a time nor a length of time."""


@click.command(epilog="Example: lamina logs --tail 20 -t busy_noether")
@click.argument("container")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-n", "--tail", default="all", metavar="N|all", help="Only the last N lines.")
@click.option("--since", default="", metavar="TIME", help="From then on: RFC 3339, or 10m ago.")
@click.option("--until", default="", metavar="TIME", help="Up to then.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line came.")
@click.pass_obj
def command(
    app: App,
    container: str,
    follow: bool,
    tail: str,
    since: str,
    until: str,
    timestamps: bool,
) -> None:
    """Show what a container printed, each line where it went: output or error."""
    from lamina.run.logs import FILE

    store = app.engine.store
    record = store.containers.find(container)
    now = datetime.now(UTC)
    earliest, latest = _moment(since, now), _moment(until, now)

    def wanted(line: LogLine) -> bool:
        when = parse_time(line.time) or now
        return (earliest is None or when >= earliest) and (latest is None or when <= latest)

    def alive() -> bool:
        return follow and store.containers.find(record.id).status == "running"

    path = store.containers.directory(record.id) / FILE
    for line in _lines(path, _count(tail), wanted, alive):
        _print(line, timestamps)


def _lines(
    path: Path, count: int | None, wanted: Callable[[LogLine], bool], alive: Callable[[], bool]
) -> Iterator[LogLine]:
    from lamina.run.logs import follow_lines

    lived = alive()
    offset, raw = _read(path, 0)
    yield from deque((line for line in follow_lines(raw) if wanted(line)), maxlen=count)
    while lived:
        time.sleep(_INTERVAL)
        lived = alive()  # asked before reading: what it printed last is not missed
        offset, raw = _read(path, offset)
        yield from (line for line in follow_lines(raw) if wanted(line))
        sys.stdout.flush()


def _read(path: Path, offset: int) -> tuple[int, list[bytes]]:
    """Whole lines from `offset` on, and where the next one begins."""
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            raw = [line for line in stream if line.endswith(b"\n")]
    except FileNotFoundError:
        return offset, []
    return offset + sum(map(len, raw)), raw


def _print(line: LogLine, timestamps: bool) -> None:
    stream = sys.stderr if line.stream == "stderr" else sys.stdout
    prefix = f"{line.time} " if timestamps else ""
    stream.buffer.write((prefix + line.log).encode())
    stream.buffer.flush()


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdigit():
        raise Invalid(f"not a number of lines: {text!r}", hint="--tail 20, or --tail all")
    return int(text)


def _moment(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    if span:
        hours, minutes, seconds = (int(part or 0) for part in span.groups())
        return now - timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if text.replace(".", "", 1).isdigit():
        return datetime.fromtimestamp(float(text), UTC)
    moment = parse_time(text)
    if moment is None:
        raise BadTime(f"not a time: {text!r}", hint="2026-01-31T12:00:00Z, or 10m, 2h30m ago")
    return moment
