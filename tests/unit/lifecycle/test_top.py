"""Listings of processes: made here, and taken out of what `ps` printed."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from lamina.lifecycle.top import BadColumns, Table, chosen, table
from lamina.linux.process_table import TICKS, Process, inside, read

PS = """\
UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 09:00 ?        00:00:01 /sbin/init splash
root          42       1  3 09:41 pts/0    00:00:02 sh -c echo  two
-              -       -  0 -     -        00:00:00 -
root         420       1  0 09:41 ?        00:00:00 other
-              -       -  0 -     -        00:00:00 -
"""


def test_lines_of_ps() -> None:
    """Threads follow their process; a command line keeps its spaces."""
    found = chosen(PS, {"42"})
    assert found.titles == ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    assert [row[-1] for row in found.rows] == ["sh -c echo  two", "-"]
    assert chosen(PS, {"7"}).rows == ()


@pytest.mark.parametrize("text", ["", "COMMAND\nsh\n"])
def test_without_numbers(text: str) -> None:
    with pytest.raises(BadColumns):
        chosen(text, {"1"})


SHELL = Process(
    pid=42,
    parent=1,
    uid=0,
    threads=1,
    terminal=0,
    started=100 * TICKS,
    cpu_ticks=0,
    resident=0,
    command="sh",
)


def test_rows() -> None:
    day = 24 * 60 * 60
    found = table(
        [
            replace(SHELL, cpu_ticks=3700 * TICKS, terminal=os.makedev(136, 2)),
            replace(SHELL, uid=54321, terminal=os.makedev(4, 1), started=3 * day * TICKS),
        ],
        uptime=3 * day,
        boot=0,
    )
    assert found == Table(
        ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"),
        (
            ("root", "42", "1", "1", found.rows[0][4], "pts/2", "01:01:40", "sh"),
            ("54321", "42", "1", "0", found.rows[1][4], "tty1", "00:00:00", "sh"),
        ),
    )
    assert found.rows[0][4].startswith("Jan0"), "days ago"
    assert ":" in found.rows[1][4], "today"


def test_a_process_of_ours() -> None:
    found = read(os.getpid())
    assert found is not None
    assert (found.parent, found.uid) == (os.getppid(), os.geteuid())
    assert "py" in found.command
    assert found.resident > 1 << 20
    assert os.getpid() in inside(os.getpid())
    assert read(2**22 + 1) is None
