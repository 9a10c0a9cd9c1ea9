"""How a build looks: steps that collapse on a terminal, numbered lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from lamina.text import escape, prose_size, width

if TYPE_CHECKING:
    from lamina.build.observe import Outcome, Step

_TAIL = 6
"""Lines of the running step's output that a terminal shows."""
_KEPT = 40
"""Lines of it that are shown again when the step fails."""
_REFRESH = 0.05
_LABEL = 52
_DIM, _RED, _GREEN, _OFF = "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


class Quiet:
    """Says nothing."""

    def started(self, step: Step) -> None:
        pass

    def output(self, step: Step, piece: bytes) -> None:
        pass

    def finished(self, step: Step, outcome: Outcome) -> None:
        pass

    def failed(self, step: Step) -> None:
        """The running step did not end well."""


class Plain:
    """A line at a time, each with its step's number: for pipes and logs."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = 0.0

    def started(self, step: Step) -> None:
        self._begun = time.monotonic()
        self._rest = b""
        self._say(step, f"{_place(step)} {step.vertex.title}".strip())

    def output(self, step: Step, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(step, line)

    def finished(self, step: Step, outcome: Outcome) -> None:
        if self._rest:
            self._line(step, self._rest)
        self._say(step, "  ".join(part for part in _facts(outcome) if part))

    def failed(self, step: Step) -> None:
        if self._rest:
            print(escape(_text(self._rest)), flush=True)

    def _line(self, step: Step, line: bytes) -> None:
        seconds = time.monotonic() - self._begun
        self._say(step, f"{seconds:.2f} {escape(_text(line), keep='	')}")

    def _say(self, step: Step, text: str) -> None:
        print(f"#{step.number} {text}", flush=True)


class Live:
    """One block on a terminal: finished steps are a row each, the running one shows its tail."""

    def __init__(self, *, colored: bool) -> None:
        self._colored = colored
        self._tail: deque[str] = deque(maxlen=_KEPT)
        self._rest = b""
        self._drawn = 0
        self._last = 0.0
        self._begun = 0.0
        self._step: Step | None = None

    def started(self, step: Step) -> None:
        self._step = step
        self._tail.clear()
        self._rest = b""
        self._begun = time.monotonic()
        self._draw()

    def output(self, step: Step, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._tail.extend(escape(_text(line)) for line in lines)
        if time.monotonic() - self._last >= _REFRESH:
            self._draw()

    def finished(self, step: Step, outcome: Outcome) -> None:
        self._erase()
        size, seconds, note = _facts(outcome)
        label = _fitted(f"{_place(step)} {step.vertex.title}".strip(), _label_width())
        row = f" {label} {size:>10}  {seconds:>8}"
        if note:
            row += f"   {self._paint(_RED, note)}"
        self._write(self._paint(_DIM, row) if outcome.cached and not note else row)
        self._step = None

    def failed(self, step: Step) -> None:
        """Leave the failed step's output on the screen."""
        self._erase()
        if self._step is None:
            return
        self._write(self._paint(_RED, f" {_place(self._step)} {self._step.vertex.title}".rstrip()))
        if self._rest:
            self._tail.append(escape(_text(self._rest)))
        for line in self._tail:
            self._write(f"     │ {line}")

    def _draw(self) -> None:
        self._erase()
        if self._step is None:
            return
        columns = _columns()
        elapsed = time.monotonic() - self._begun
        head = f" {_place(self._step)} {self._step.vertex.title}".rstrip()
        lines = [_fitted(head, _label_width() + 1) + f"             {elapsed:>7.1f} s"]
        lines += [f"     │ {line}" for line in list(self._tail)[-_TAIL:]]
        for line in lines:
            self._write(self._paint(_DIM, _cut(line, columns - 1)))
        self._drawn = len(lines)
        self._last = time.monotonic()

    def _erase(self) -> None:
        if self._drawn:
            sys.stdout.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _write(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _paint(self, color: str, text: str) -> str:
        return f"{color}{text}{_OFF}" if self._colored else text


def _place(step: Step) -> str:
    return f"{step.number}/{step.total}" if step.number else ""


def _facts(outcome: Outcome) -> tuple[str, str, str]:
    """Size, time or `cached`, and what it hides."""
    note = ", ".join(f"hides {prose_size(size)} of {what}" for what, size in outcome.hides)
    return (
        f"+{prose_size(outcome.size)}",
        "cached" if outcome.cached else f"{outcome.seconds:.1f} s",
        note,
    )


def _text(line: bytes) -> str:
    """What a terminal would show of a line in which a progress bar went back and forth."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "surrogateescape")


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def _label_width() -> int:
    return max(20, min(_LABEL, _columns() - 28))


def _fitted(text: str, wide: int) -> str:
    text = _cut(escape(text), wide)
    return text + " " * (wide - width(text))


def _cut(text: str, wide: int) -> str:
    if width(text) <= wide:
        return text
    while text and width(text) > wide - 1:
        text = text[:-1]
    return text + "…"
