"""`lamina logs`: what a container printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.moments import moment, stamp
from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from lamina.run.logs import Log, LogLine
    from lamina.store.container_contract import ContainerRecord
    from lamina.store.contract import Store

_BUFFER = 64 << 10
_LOOK = 0.3
"""Seconds between two questions whether the container goes on."""


class NoLog(Unsupported):
    """Nothing of what the container prints is kept."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "configured logging driver does not support reading",
            hint=f"container {name} was made with --log-driver none",
        )


@click.command(epilog="Example: lamina logs --tail 20 -t busy_noether")
@click.argument("container")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-n", "--tail", default="all", metavar="N|all", help="Only the last N lines.")
@click.option("--since", default="", metavar="TIME", help="From then on: RFC 3339, or 10m ago.")
@click.option("--until", default="", metavar="TIME", help="Up to then.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line came.")
@click.option("--details", is_flag=True, help="As Docker has it; there are none here.")
@click.pass_obj
def command(
    app: App,
    container: str,
    follow: bool,
    tail: str,
    since: str,
    until: str,
    timestamps: bool,
    details: bool,
) -> None:
    """Show what a container printed, each line where it went: output or error."""
    from lamina.run.logs import FILE, Log
    from lamina.run.settings import OlderContainer, settings_of

    store = app.containers
    record = store.containers.find(container)
    try:
        driver = settings_of(record.name, record.settings).log.driver
    except OlderContainer:
        driver = "json-file"  # what it printed is there all the same
    if driver == "none":
        raise NoLog(record.name)
    now = datetime.now(UTC)
    earliest, latest = (stamp(moment(text, now)) if text else "" for text in (since, until))
    printer = _Printer(timestamps=timestamps, details=details)
    with Log(store.containers.directory(record.id) / FILE) as log:
        for line in _known(log, _count(tail), earliest, latest):
            printer.line(line)
        printer.flush()
        if follow:
            _follow(log, printer, _alive(store, record), earliest, latest)


def _known(log: Log, count: int | None, since: str, until: str) -> Iterator[LogLine]:
    if count is not None:
        yield from log.last(count, since=since, until=until)
        return
    for line in log.lines():
        if since <= line.time and (not until or line.time <= until):
            yield line


def _follow(log: Log, printer: _Printer, alive: Callable[[], bool], since: str, until: str) -> None:
    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return alive() and (not until or stamp(datetime.now(UTC)) <= until)

    for line in log.follow(wait):
        if line is None:
            printer.flush()
        elif until and line.time > until:
            return
        elif since <= line.time:
            printer.line(line)


def _alive(store: Store, record: ContainerRecord) -> Callable[[], bool]:
    """Whether the container goes on; looked up now and then."""
    from lamina.linux.processes import lives
    from lamina.store.containers import LIVELY
    from lamina.store.errors import ContainerNotFound

    looked, goes_on = 0.0, False

    def alive() -> bool:
        nonlocal looked, goes_on
        if time.monotonic() - looked > _LOOK:
            looked = time.monotonic()
            try:
                now = store.containers.find(record.id)
            except ContainerNotFound:
                return False
            # Its watcher may still be writing what it printed last.
            goes_on = now.status in LIVELY or lives(now.watcher, now.watcher_started)
        return goes_on

    return alive


class _Printer:
    def __init__(self, *, timestamps: bool, details: bool) -> None:
        self._timestamps = timestamps
        self._details = details
        self._begun: set[str] = set()
        """Streams whose last piece had no end of line."""
        self._pending: list[bytes] = []
        self._size = 0
        self._last = "stdout"

    def line(self, line: LogLine) -> None:
        if line.stream != self._last:
            self.flush()
            self._last = line.stream
        text = line.log
        if line.stream not in self._begun:
            text = f"{f'{line.time} ' if self._timestamps else ''}{' ' * self._details}{text}"
        if line.log.endswith("\n"):
            self._begun.discard(line.stream)
        else:
            self._begun.add(line.stream)
        self._pending.append(text.encode("utf-8", "replace"))
        self._size += len(text)
        if self._size > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Pass on what is kept back, so that both streams come in order."""
        if not self._pending:
            return
        stream = sys.stderr if self._last == "stderr" else sys.stdout
        stream.buffer.write(b"".join(self._pending))
        stream.buffer.flush()
        self._pending.clear()
        self._size = 0


def _count(text: str) -> int | None:
    if text == "all" or (text.startswith("-") and text[1:].isdigit()):
        return None
    if not text.isdigit():
        raise Invalid(f"not a number of lines: {text!r}", hint="--tail 20, or --tail all")
    return int(text)
