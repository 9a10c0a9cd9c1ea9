"""What is told of a build while it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from lamina.oci.digest import Digest
from lamina.plan.graph import Vertex


class Step(msgspec.Struct, frozen=True):
    """A vertex that makes a layer, as it is shown: `number` of `total`; a base has number 0."""

    number: int
    total: int
    vertex: Vertex
    place: str = ""
    """Where it is in its stage, `2/5`, after the stage's name when there are several, and
    after the platform when it is for one of several alone."""


def places_in_stages(steps: Sequence[Vertex], platforms: Mapping[Digest, str]) -> list[str]:
    """`Step.place` of each of a build's steps, which are in order.

    `platforms` has those of steps that are for one of several platforms.
    """
    keys = [(platforms.get(each.digest, ""), each.stage) for each in steps]
    totals, seen = Counter(keys), Counter[tuple[str, str]]()
    several = len({each.stage for each in steps}) > 1
    found = []
    for key in keys:
        seen[key] += 1
        platform, stage = key
        name = f"stage-{stage}" if stage.isdecimal() else stage
        parts = (platform, name if several else "", f"{seen[key]}/{totals[key]}")
        found.append(" ".join(filter(None, parts)))
    return found


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

    def failed(self, step: Step, problem: str) -> None:
        """The step did not end well; the build ends with its error, which begins so."""
        ...

    def remark(self, text: str) -> None:
        """Something about this build as a whole, in one line."""
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
    place: tuple[str, ...] = ()
    """What tells this build from others: its context, Dockerfile and target.  The trace of
    what its steps were made from is kept under it; of a build without a place there is none."""
    workers: int = 1
    """Steps that may run at one time."""
