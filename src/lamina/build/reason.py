"""What is said of a step and the cache: values."""

from __future__ import annotations

from typing import Literal

import msgspec

from lamina.build.trace import StepTrace
from lamina.context.outline import Facts

Outcome = Literal["hit", "miss", "unneeded", "unreached"]
"""unneeded: all that reads it came from the cache; unreached: the build failed before."""
Kind = Literal[
    "instruction",
    "option",
    "variable",
    "base",
    "below",
    "files",
    "source",
    "origin",
    "epoch",
    "never",
    "anew",
    "pruned",
    "version",
    "same",
    "elsewhere",
]


class Change(msgspec.Struct, frozen=True):
    """One file that is not as it was."""

    path: str
    what: Literal["changed", "new", "gone", "mode", "owner"]
    was: str = ""
    now: str = ""


class Cause(msgspec.Struct, frozen=True):
    """One thing that is as it was (`same`) or is not."""

    kind: Kind
    subject: str = ""
    """What it is about: a variable's or option's name, a step, where files come from."""
    was: str = ""
    now: str = ""
    changes: tuple[Change, ...] = ()
    """files: the first few of them."""
    total: int = 0
    """files: how many changed; same: how many files there are."""


class Reason(msgspec.Struct, frozen=True):
    """Why one step came from the cache or not."""

    number: int
    place: str
    title: str
    outcome: Outcome
    causes: tuple[Cause, ...]


class Trial(msgspec.Struct, frozen=True):
    """A step of this build, and what came of it."""

    number: int
    place: str
    outcome: Outcome
    trace: StepTrace | None
    """None when so little is known of its inputs that there is none."""
    title: str
    origin: str = ""
    """The importer that had it."""
    anew: str = ""
    """The option that asked for it to be carried out whatever the cache has."""
    by_content: bool = False
    """Whether it was found by the content of its sources, which come from other work."""


class LayerFacts(msgspec.Struct, frozen=True):
    """A file in layers, which has an owner as well."""

    facts: Facts
    owner: tuple[int, int]
