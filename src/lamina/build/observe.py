"""What is told of a build while it goes."""

from __future__ import annotations

from typing import Protocol

import msgspec

from lamina.build.graph import Vertex


class Step(msgspec.Struct, frozen=True):
    """A vertex that makes a layer, as it is shown: `number` of `total`; a base has number 0."""

    number: int
    total: int
    vertex: Vertex


class Outcome(msgspec.Struct, frozen=True):
    """How a step ended."""

    cached: bool
    size: int
    """Bytes of file content it added."""
    seconds: float
    hides: tuple[tuple[str, int], ...] = ()
    """What it took out of sight: which step's (or base's), and bytes."""


class Observer(Protocol):
    """Hears of a build as it goes: one call at a time, from any thread.

    Steps of independent stages run side by side, so calls of one may come between
    those of another.
    """

    def started(self, step: Step) -> None:
        """A step begins."""
        ...

    def output(self, step: Step, piece: bytes) -> None:
        """What the step's command prints, as it comes."""
        ...

    def finished(self, step: Step, outcome: Outcome) -> None:
        """The step ended well."""
        ...

    def failed(self, step: Step) -> None:
        """The step did not end well; the build ends with its error."""
        ...


class Occasion(msgspec.Struct, frozen=True):
    """What differs from one run of the same build to the next; the command line knows it."""

    identity: str
    """Random hexadecimal digits: the name of the working directory."""
    created: str
    """The time, RFC 3339: for what this run makes anew."""
    now: int
    """The same in nanoseconds since the epoch."""
    use_cache: bool = True
    anew: frozenset[str] = frozenset()
    """Stages, by name or number, whose steps are carried out whatever the cache has."""
    workers: int = 1
    """Steps that may run at one time."""
