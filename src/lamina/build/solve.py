"""Walking the graph: each step comes from the cache or is carried out; then the image."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lamina.build.cache import Cache, Made, key_of
from lamina.build.errors import CommandFailed, StepError
from lamina.build.graph import BaseOp, CopyOp, MakeDirOp, RunOp, Vertex, in_order
from lamina.build.plan import Plan
from lamina.build.select import NoSuchSource, Selected, digest, select
from lamina.context.directory import Context, Nothing
from lamina.context.tree import Tree, clean
from lamina.dockerfile.source import Source
from lamina.errors import EngineError
from lamina.layer.contract import LayerInfo
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.store.atomic import locked
from lamina.store.contract import Lease, StepResult, Store

if TYPE_CHECKING:
    from lamina.build.merged import Views


@dataclass(frozen=True, slots=True)
class Step:
    """A vertex that makes a layer, as it is shown: `number` of `total`; a base has number 0."""

    number: int
    total: int
    vertex: Vertex


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended."""

    cached: bool
    size: int
    """Bytes of file content it added."""
    seconds: float
    hides: tuple[tuple[str, int], ...] = ()
    """What it took out of sight: which step's (or base's), and bytes."""


class Observer(Protocol):
    """Hears of a build as it goes."""

    def started(self, step: Step) -> None:
        """A step begins."""
        ...

    def output(self, step: Step, piece: bytes) -> None:
        """What the step's command prints, as it comes."""
        ...

    def finished(self, step: Step, outcome: Outcome) -> None:
        """The step ended well."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """A vertex's file system: its layers, the lowest first, and what made the top one."""

    layers: tuple[Digest, ...]
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """Every vertex's result, by its digest, and the bytes of the target that nobody can see."""

    results: Mapping[Digest, Result]
    hidden: int


@dataclass(frozen=True, slots=True)
class Occasion:
    """What differs from one run of the same build to the next; the command line knows it."""

    identity: str
    """Random hexadecimal digits: the name of the working directory."""
    created: str
    """The time, RFC 3339: for what this run makes anew."""
    now: int
    """The same in nanoseconds since the epoch."""
    use_cache: bool = True


@dataclass
class _Solver:
    store: Store
    context: Context | Nothing
    source: Source
    occasion: Occasion
    observer: Observer
    cache: Cache
    directory: Path
    results: dict[Digest, Result] = field(default_factory=dict)
    names: dict[Digest, str] = field(default_factory=dict)
    """Who made a layer of this build, for `Outcome.hides`."""

    @cached_property
    def views(self) -> Views:
        """Made when a step is not in the cache: a build that is all cached reads no listing,
        and does not even import what reads them."""
        from lamina.build.merged import Views

        return Views(self.store.layers)

    def solve(self, tip: Vertex) -> None:
        order = in_order(tip)
        total = sum(not isinstance(vertex.op, BaseOp) for vertex in order)
        number = 0
        for vertex in order:
            if isinstance(vertex.op, BaseOp):
                self._base(Step(0, total, vertex), vertex.op)
                continue
            number += 1
            step = Step(number, total, vertex)
            begun = time.monotonic()
            self.observer.started(step)
            try:
                cached, made = self._step(step)
            except EngineError as error:
                raise self._located(vertex, error) from error
            self._settle(step, made, cached, time.monotonic() - begun)

    def _base(self, step: Step, op: BaseOp) -> None:
        begun = time.monotonic()
        self.observer.started(step)
        self.cache.lease.protect(*op.layers)
        self.results[step.vertex.digest] = Result(op.layers)
        size = sum(self.store.layers.info(each).content_size for each in op.layers)
        self.observer.finished(step, Outcome(True, size, time.monotonic() - begun))

    def _settle(self, step: Step, made: Made, cached: bool, seconds: float) -> None:
        below = self._below(step.vertex)
        self.results[step.vertex.digest] = Result((*below, made.layer), made)
        hides = tuple(
            (self.names.get(below[place], "the base"), size) for place, size in made.hides
        )
        self.names.setdefault(made.layer, f"step {step.number}")
        self.observer.finished(step, Outcome(cached, made.size, seconds, hides))

    def _below(self, vertex: Vertex) -> tuple[Digest, ...]:
        return self.results[vertex.parent.digest].layers if vertex.parent else ()

    def _step(self, step: Step) -> tuple[bool, Made]:
        """Whether it came from the cache, and what it made."""
        vertex, op = step.vertex, step.vertex.op
        below = self._below(vertex)
        origin = self.results[vertex.origin.digest].layers if vertex.origin else None
        key = key_of(op, below, list(origin) if origin is not None else None)
        tree: Tree | None = None
        selection: list[Selected] = []
        if isinstance(op, CopyOp) and origin is None:
            tree, selection = self.context, select(self.context, op.sources)
            key = key_of(op, below, digest(tree, selection, owners=False))
        if found := self._cached(key):
            return True, found
        exact = key
        if isinstance(op, CopyOp) and origin is not None:
            # Where the files came from does not matter, only what they are: the exact
            # key costs reading listings, so it is asked for only when the quick one missed.
            tree = self.views.of(origin)
            selection = select(tree, op.sources)
            exact = key_of(op, below, digest(tree, selection, owners=True))
            if found := self._cached(exact):
                self.cache.keep(key, found, vertex.title)
                return True, found
        info = self._execute(step, below, tree, selection)
        made = self._made(info, below)
        for each in {key, exact}:
            self.cache.keep(each, made, vertex.title)
        return False, made

    def _cached(self, key: Digest) -> Made | None:
        return self.cache.find(key) if self.occasion.use_cache else None

    def _execute(
        self,
        step: Step,
        below: Sequence[Digest],
        tree: Tree | None,
        selection: Sequence[Selected],
    ) -> LayerInfo:
        from lamina.build import ops

        op = step.vertex.op
        shop = ops.Workshop(self.store, self.views, self.directory, self.occasion.now)
        place = shop.place(step.number)
        try:
            if isinstance(op, RunOp):
                return ops.run(
                    shop,
                    place,
                    op,
                    below,
                    step.vertex.proxies,
                    lambda piece: self.observer.output(step, piece),
                )
            if isinstance(op, MakeDirOp):
                return ops.make_directory(shop, place, op, below)
            assert isinstance(op, CopyOp) and tree is not None
            keep = step.vertex.origin is not None
            return ops.copy(shop, place, op, below, tree, selection, keep_owner=keep)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def hidden(self, chain: Sequence[Digest]) -> int:
        """Bytes of file content in `chain` that nobody can see; remembered."""
        key = Digest.of(encode(["hidden bytes", list(chain)]))
        known = self.store.steps.get(key)
        if known is not None and isinstance(known.data.get("bytes"), int):
            return int(known.data["bytes"])
        total = self.views.total_hidden(chain)
        self.store.steps.put(StepResult(key, data={"bytes": total}))
        return total

    def _made(self, info: LayerInfo, below: Sequence[Digest]) -> Made:
        self.cache.lease.protect(info.diff_id)
        hides: tuple[tuple[int, int], ...] = ()
        if info.entry_count:
            hides = self.views.hidden_by_top([*below, info.diff_id])
        return Made(info.diff_id, info.content_size, info.tar_size, self.occasion.created, hides)

    def _located(self, vertex: Vertex, error: EngineError) -> EngineError:
        if vertex.instruction is None or error.kind in ("unavailable", "corrupt", "denied"):
            return error
        line = vertex.instruction
        if isinstance(error, NoSuchSource):
            where = "the context" if vertex.origin is None else vertex.origin.title
            hidden = vertex.origin is None and self.context.hidden(clean(error.source))
            note = "the ignore file hides it" if hidden else error.hint
            problem = f"{error.source} is not in {where}"
            return StepError(self.source, line.place(error.source), problem, note=note)
        found = StepError(self.source, line.span, str(error), note=error.hint)
        if isinstance(error, CommandFailed):
            found.status = error.status
        return found


def solve(
    plan: Plan,
    context: Context | Nothing,
    store: Store,
    lease: Lease,
    *,
    occasion: Occasion,
    observer: Observer,
) -> Solved:
    """Make every vertex that the plan's target needs.

    Each finished step is kept in the cache at once, so a build that fails later
    begins there again.  Nothing is left behind but layers and cache entries.

    Raises StepError at the instruction that failed, and what the store raises.
    """
    with _directory(store, occasion) as directory:
        cache = Cache(store, lease)
        solver = _Solver(store, context, plan.stage.source, occasion, observer, cache, directory)
        solver.solve(plan.stage.tip)
        chain = solver.results[plan.stage.tip.digest].layers
        return Solved(solver.results, solver.hidden(chain))


@contextmanager
def _directory(store: Store, occasion: Occasion) -> Iterator[Path]:
    """A working directory, locked while this process lives; those of dead ones are swept."""
    builds = store.root / "builds"
    builds.mkdir(mode=0o700, exist_ok=True)
    directory = builds / occasion.identity
    with locked(builds):
        _sweep(builds)
        directory.mkdir(mode=0o700)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(fd)


def _sweep(builds: Path) -> None:
    for place in builds.iterdir():
        try:
            fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its owner has just finished
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)
