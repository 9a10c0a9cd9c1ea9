"""What a terminal shows of a build: a row for each finished task, a block for those that
are under way.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from lamina.cli.build_plain import Going
from lamina.cli.build_view import Ending, Task
from lamina.cli.build_words import added, clock, fitted, heading, hidden, transfer
from lamina.text import clip, escape, width

Ink = Literal["", "dim", "red"]
_LABEL, _NARROWEST = 56, 16
_SIZE, _TIME = 10, 10
_TAIL = 6
"""Lines of output of the only task that runs; several share twice as many."""


class Part(msgspec.Struct, frozen=True):
    """A piece of a line, in one ink."""

    text: str
    ink: Ink = ""


Line = tuple[Part, ...]


def row(task: Task, ending: Ending, columns: int) -> list[Line]:
    """A finished task, and what it hides: behind it if there is room, else below."""
    ink: Ink = "dim" if ending.cached and not ending.hides else ""
    state = "cached" if ending.cached else clock(ending.seconds)
    line = Part(_row(heading(task), added(ending), state, columns), ink)
    note = hidden(ending) or escape(ending.note)
    if not note:
        return [(line,)]
    if width(line.text) + 3 + width(note) < columns:
        return [(line, Part(f"   {note}", "red"))]
    return [(line,), (Part(f"     {note}", "red"),)]


def failed(going: Going, now: float, columns: int) -> list[Line]:
    """A task that failed, and its last output."""
    line = _row(heading(going.task), "failed", clock(now - going.begun), columns)
    return [(Part(line, "red"),), *((Part(f"     │ {each}"),) for each in going.tail)]


def canceled(going: Going, now: float, columns: int) -> Line:
    """A task that was given up."""
    return (Part(_row(heading(going.task), "canceled", clock(now - going.begun), columns), "dim"),)


def block(tasks: Sequence[Going], now: float, columns: int, height: int) -> list[Line]:
    """The tasks under way, each with the end of its output, in at most `height` lines."""
    if len(tasks) > height:
        shown = max(0, height - 1)
        rest = f" and {len(tasks) - shown} more"
        return [*(_head(each, now, columns) for each in tasks[:shown]), (Part(rest, "dim"),)]
    room = min(_TAIL, 2 * _TAIL // max(1, len(tasks)), (height - len(tasks)) // max(1, len(tasks)))
    found: list[Line] = []
    for each in tasks:
        found.append(_head(each, now, columns))
        tail = _tail(each)[-room:] if room else ()
        found += [(Part(clip(f"     │ {line}", columns - 1), "dim"),) for line in tail]
    return found


def _head(going: Going, now: float, columns: int) -> Line:
    return (Part(_row(heading(going.task), "", clock(now - going.begun), columns)),)


def _tail(going: Going) -> list[str]:
    items = [escape(f"{each.item}  {transfer(each)}") for each in going.items.values()]
    current = going.lines.current
    return [*going.tail, *([current] if current else []), *items]


def _row(text: str, size: str, state: str, columns: int) -> str:
    label = max(_NARROWEST, min(_LABEL, columns - _SIZE - _TIME - 4))
    return clip(f" {fitted(text, label)} {size:>{_SIZE}} {state:>{_TIME}}", columns - 1)
