"""The processes of a container, as the host's `ps` shows them."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence

import msgspec

from lamina.errors import Invalid, Unsupported
from lamina.lifecycle.errors import NotRunning
from lamina.linux import process_table
from lamina.linux.cgroup_group import open_group
from lamina.linux.process_table import Process
from lamina.store.container_contract import ContainerRecord

_DAY = 24 * 60 * 60
_PTS_MAJORS = range(136, 144)


class BadColumns(Invalid):
    """What `ps` printed cannot be told apart by process."""

    def __init__(self) -> None:
        super().__init__("there is no PID column in what ps prints", hint="add pid to -o")


class PsFailed(Invalid):
    """`ps` did not take its options."""


class NoPs(Unsupported):
    """The host has no `ps`, and its options were used."""

    def __init__(self) -> None:
        super().__init__("no ps on this host", hint="without options for ps none is needed")


class Table(msgspec.Struct, frozen=True):
    """Columns and rows of text; what programs are called is in it as it is."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def top(record: ContainerRecord, options: Sequence[str] = ()) -> Table:
    """The processes of a running container, with the columns of `ps -ef` or as `options`
    of the host's `ps` ask for.

    Raises NotRunning, NoPs, PsFailed, BadColumns.
    """
    if record.status not in ("running", "paused"):
        raise NotRunning(record.name)
    pids = open_group(record.groups).processes() or process_table.inside(record.pid)
    if options:
        return chosen(_ps(options), frozenset(map(str, pids)))
    processes = [found for pid in sorted(pids) if (found := process_table.read(pid)) is not None]
    return table(processes, process_table.uptime(), process_table.boot_time())


_TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")


def table(processes: Sequence[Process], uptime: float, boot: int) -> Table:
    """As `ps -ef` prints them."""
    names = process_table.users(each.uid for each in processes)
    return Table(_TITLES, tuple(_row(each, names[each.uid], uptime, boot) for each in processes))


def _row(process: Process, user: str, uptime: float, boot: int) -> tuple[str, ...]:
    ticks = process_table.TICKS
    age = uptime - process.started / ticks
    busy = process.cpu_ticks / ticks
    return (
        user,
        str(process.pid),
        str(process.parent),
        str(min(int(100 * busy / age), 99) if age > 0 else 0),
        _started(boot + process.started // ticks, age),
        _terminal(process.terminal),
        _length(int(busy)),
        process.command,
    )


def _started(moment: int, age: float) -> str:
    return time.strftime("%H:%M" if age < _DAY else "%b%d", time.localtime(moment))


def _terminal(number: int) -> str:
    major, minor = os.major(number), os.minor(number)
    if major in _PTS_MAJORS:
        return f"pts/{(major - _PTS_MAJORS[0]) * 256 + minor}"
    return f"tty{minor}" if major == 4 else "?"


def _length(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _ps(options: Sequence[str]) -> str:
    import subprocess

    try:
        done = subprocess.run(
            ["ps", *options],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise NoPs from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise PsFailed(f"ps {' '.join(options)}: {said[0] if said else 'failed'}")
    return done.stdout


def chosen(text: str, pids: Collection[str]) -> Table:
    """The lines of a listing of `ps` that are of those processes.  Raises BadColumns."""
    lines = text.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise BadColumns
    place = titles.index("PID")
    rows = []
    taken = False
    for line in lines[1:]:
        # The last column is a command line, with spaces of its own.
        fields = tuple(line.split(maxsplit=len(titles) - 1))
        if len(fields) <= place:
            continue
        # A thread of the process before has no number.
        taken = taken if fields[place] == "-" else fields[place] in pids
        if taken:
            rows.append(fields + ("",) * (len(titles) - len(fields)))
    return Table(titles, tuple(rows))
