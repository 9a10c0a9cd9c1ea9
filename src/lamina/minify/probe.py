"""What an image is asked to do, and what it answers: told alike before and after.  Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from lamina.minify.errors import BadProbe

_HTTP = re.compile(r"(?:([A-Z]+):)?(?:(\d{1,5}))(/(?:(?!=>)\S)*)?(?:=>(\d{3}))?")
_LINES = 5
"""Of an output that is shown."""


class CommandProbe(msgspec.Struct, frozen=True):
    """A fresh container with these arguments after the image's entry point."""

    args: tuple[str, ...]

    @property
    def name(self) -> str:
        """As it is told."""
        return f"--cmd {shlex.join(self.args)}"


class HttpProbe(msgspec.Struct, frozen=True):
    """A request to the image's own service."""

    method: str
    port: int
    path: str
    status: int | None = None
    """What must come; None for anything below 400."""

    @property
    def name(self) -> str:
        """As it is told."""
        expected = f"=>{self.status}" if self.status else ""
        return f"--http {self.method}:{self.port}{self.path}{expected}"


class ScriptProbe(msgspec.Struct, frozen=True):
    """A shell script of the host's, run beside the image's own service in its network."""

    text: str

    @property
    def name(self) -> str:
        """As it is told."""
        return f"--test {self.text}"


class OwnProbe(msgspec.Struct, frozen=True):
    """The image's own entry point, until it ends or for so many seconds."""

    seconds: float

    @property
    def name(self) -> str:
        """As it is told."""
        return "the image's own command"


Probe: TypeAlias = CommandProbe | HttpProbe | ScriptProbe | OwnProbe


class Outcome(msgspec.Struct, frozen=True):
    """What a probe came to: all that must be the same on the smaller image."""

    status: int | None
    """Exit status, or that of HTTP; None for a service that was still running."""
    outputs: tuple[tuple[str, bytes], ...]
    """`stdout` and `stderr`, or `body`: what was printed or sent."""
    seconds: float = 0.0

    def same(self, other: Outcome) -> bool:
        """Whether nobody could tell the two apart."""
        return self.status == other.status and self.outputs == other.outputs


def parse_command(text: str) -> CommandProbe:
    """Read `--cmd 'ARGS'`: words as a shell splits them.  Raises BadProbe."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadProbe(f"--cmd {text!r}: {error}", hint="quote it as for a shell") from None
    if not words:
        raise BadProbe("--cmd needs a command", hint="--cmd 'python3 -m app --version'")
    return CommandProbe(tuple(words))


def parse_http(text: str) -> HttpProbe:
    """Read `--http [METHOD:]PORT[/PATH][=>STATUS]`.  Raises BadProbe."""
    found = _HTTP.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        raise BadProbe(
            f"not an HTTP probe: {text!r}",
            hint="write PORT/PATH, e.g. 8080/health, HEAD:80/ or '80/missing=>404'",
        )
    return HttpProbe(
        found[1] or "GET", int(found[2]), found[3] or "/", int(found[4]) if found[4] else None
    )


def fault(probe: Probe, outcome: Outcome) -> str:
    """Why an outcome is a failure, in words; empty when it is none."""
    status = outcome.status
    if isinstance(probe, HttpProbe):
        wanted = probe.status
        bad = status != wanted if wanted is not None else status is None or status >= 400
        return f"HTTP status {status}" if bad else ""
    return f"exit status {status}" if status else ""


def tail(outcome: Outcome) -> str:
    """The last lines of what was printed."""
    texts = [raw.decode("utf-8", "replace") for _, raw in outcome.outputs]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    return "\n  ".join(lines[-_LINES:])


def difference(before: Outcome, after: Outcome) -> list[str]:
    """How two outcomes differ: lines for a person, at most a few for each output."""
    lines: list[str] = []
    if before.status != after.status:
        lines.append(f"status {_told(after.status)}, was {_told(before.status)}")
    for (name, old), (_, new) in zip(before.outputs, after.outputs, strict=False):
        if old != new:
            lines += _diff(name, old, new)
    return lines


def _told(status: int | None) -> str:
    return "still running" if status is None else str(status)


def _diff(name: str, old: bytes, new: bytes) -> list[str]:
    import difflib

    texts: list[Sequence[str]] = [
        raw.decode("utf-8", "backslashreplace").splitlines() for raw in (old, new)
    ]
    # Long outputs are alike at their ends only by chance: the first lines that differ tell most.
    shown = [
        line
        for line in difflib.unified_diff(texts[0][:500], texts[1][:500], lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    if not shown:
        return [f"{name}: {len(new)} bytes, was {len(old)}"]
    kept = shown[: 2 * _LINES]
    more = [f"… {len(shown) - len(kept)} more lines"] if len(shown) > len(kept) else []
    return [f"{name}:", *(f"  {line}" for line in kept), *more]
