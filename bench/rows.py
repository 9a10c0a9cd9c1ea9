"""One row of the table: the work, a figure for each engine, and whether the goal is met."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from bench.disk import unmount_layers
from bench.measure import Engine, Failed

Unit = Literal["s", "ms", "MB"]


@dataclass(frozen=True)
class Floor:
    """What a figure of ours could be at best, on this machine and this material."""

    seconds: float
    """0: nothing bounds it."""
    what: str
    """What takes that long, in one line."""


@dataclass(frozen=True)
class Row:
    """What one measurement found."""

    work: str
    unit: Unit
    figures: Mapping[str, float]
    """Seconds or bytes, by engine."""
    limit: float
    """The goal: a ratio to `basis`, or seconds or bytes where `basis` is empty."""
    basis: tuple[str, ...] = ()
    """The engines (or figures) of which the smallest is what we are compared with."""
    notes: Sequence[str] = ()
    ours: str = "lamina"
    floor: Floor | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to the smallest of the basis; None when either is missing."""
        found = [self.figures[name] for name in self.basis if name in self.figures]
        if self.ours not in self.figures or not found:
            return None
        return self.figures[self.ours] / min(found)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None when it was not measured."""
        if self.ours not in self.figures:
            return None
        if not self.basis:
            return self.figures[self.ours] <= self.limit
        return None if self.ratio is None else self.ratio <= self.limit


@dataclass(frozen=True)
class Bench:
    """Where the measuring is done, and with whom."""

    disk: Path
    runs: int
    engines: Mapping[str, Engine]
    """docker and podman, those that are installed, and lamina."""
    registry: str
    """`127.0.0.1:PORT`, with the images of `material`."""
    buildkit: Path | None
    done: dict[str, float] = field(default_factory=dict)
    """Figures that a later row is compared with."""

    @property
    def lamina(self) -> Engine:
        """Our own command on a store that rows share."""
        return self.engines["lamina"]

    def own_store(self, name: str) -> Engine:
        """Our own command on a store of its own."""
        return replace(
            self.lamina, prefix=(*self.lamina.prefix[:-1], str(self.disk / f"lamina-{name}"))
        )

    def ready(self, engine: Engine, reference: str, tar: Path) -> None:
        """Let `engine` have an image of `tar` called `reference`."""
        if not engine("images", "-q", reference).strip():
            engine("import", str(tar), reference)


def forget(engine: Engine, reference: str) -> None:
    """Take an image away with all that it left: ours by its whole store."""
    if engine.name != "lamina":
        engine("rmi", "-f", reference)
        return
    store = Path(engine.prefix[-1])
    if store.exists():
        engine("rmi", "-f", reference)
        unmount_layers(store)
        shutil.rmtree(store)


Measurement = Callable[[Bench], Sequence[Row]]


def attempt(measurement: Measurement, bench: Bench) -> tuple[Sequence[Row], str]:
    """Measure; what could not be prepared is said, not raised."""
    try:
        return measurement(bench), ""
    except Failed as error:
        return (), str(error)
