"""Walking the graph: each step comes from the cache or is carried out; then the image.

First the cache is asked, from the base up, for every step that needs nothing to be done
first.  What is left is carried out, independent stages side by side.  A step that comes
from the cache needs its parent's layers only by name, and what it copied from other
stages not at all: a stage that only feeds cached steps is not even looked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import msgspec

from lamina.build.directory import working_directory
from lamina.build.inputs import Inputs, Result
from lamina.build.ledger import Ledger
from lamina.build.means import Means
from lamina.build.numbering import numbered
from lamina.build.observe import Observer, Occasion, Outcome, Step
from lamina.build.pointing import pointing
from lamina.build.schedule import Stop, Stopped, carry_out
from lamina.build.trees import Trees
from lamina.cache.cache import Cache, Importer, Known, Made
from lamina.copying.reading import sources
from lamina.errors import EngineError
from lamina.oci.digest import Digest
from lamina.plan.graph import (
    BaseOp,
    ContextOp,
    Vertex,
    in_order,
)
from lamina.plan.plan import Plan
from lamina.store.contract import Lease, Store

if TYPE_CHECKING:
    from lamina.build.perform import Performer
    from lamina.build.reason import Reason


class Solved(msgspec.Struct, frozen=True):
    """The results of the targets and of all below them, by their digest."""

    results: Mapping[Digest, Result]
    hidden: tuple[int, ...]
    """Bytes of each target that nobody can see."""
    known: tuple[Known, ...]
    """What other machines may learn of the steps."""


class _Solver:
    def __init__(
        self,
        plans: Sequence[Plan],
        trees: Trees,
        cache: Cache,
        occasion: Occasion,
        observer: Observer,
        means: Means,
        directory: Path,
    ) -> None:
        self.plans = plans
        self.tips = [plan.stage.tip for plan in plans]
        self.source = plans[0].stage.source
        self.epoch = plans[0].stage.settings.epoch
        self.store = cache.store
        self.trees = trees
        self.cache = cache
        self.occasion = occasion
        self.observer = observer
        self.means = means
        self.directory = directory
        self.ledger = Ledger()
        self.results: dict[Digest, Result] = {}
        self.inputs = Inputs(trees, cache, self.results, self.epoch)
        self.names: dict[Digest, str] = {}
        """Who made a layer of this build, for `Outcome.hides`."""
        self.steps: dict[Digest, Step] = {}
        self.stop = Stop()
        self.telling = RLock()

    def solve(self) -> None:
        """Have the results of all tips and of everything below them, their layers stored."""
        order = in_order(*self.tips)
        self.steps = numbered(order, self.plans)
        needed = self._settle_all_known(order)
        for vertex in order:
            self._tell_known(vertex, needed)
        left = [each for each in order if each.digest in needed and self._is_open(each)]
        if left:
            self._find_sources(left)
            performer = self._performer()
            carry_out(
                left,
                lambda vertex: self._carry_out(vertex, performer),
                self.occasion.workers,
                self.stop,
            )

    def _is_open(self, vertex: Vertex) -> bool:
        return vertex.makes_layer and vertex.digest not in self.results

    def _settle_all_known(self, order: Sequence[Vertex]) -> set[Digest]:
        """Settle what is known, and have the layers that will be looked into; what is needed.

        A layer that is elsewhere and cannot be had makes its step unknown again.
        """
        while True:
            for vertex in order:
                self._settle_known(vertex)
            needed = self._needed()
            if not self.cache.bring(self._looked_into(order, needed)):
                return needed
            self.results.clear()
            self.ledger.fates.clear()

    def look_back(
        self, explain: Callable[[tuple[Reason, ...]], None] | None, *, ended_well: bool
    ) -> None:
        """Keep what the steps were made from, and explain them."""
        place = self.occasion.place
        if not place or (explain is None and not self.ledger.has_news):
            return
        from lamina.build.hindsight import Hindsight
        from lamina.build.trace import trace_path

        hindsight = Hindsight(
            [step for step in self.steps.values() if step.number],
            self.ledger,
            self.inputs,
            self.results,
            self.occasion,
            self.epoch,
            ended_well,
        )
        # A trace is never worth failing for: a disk may be full, a context may have changed.
        with suppress(OSError, EngineError):
            hindsight.look_back(trace_path(self.store.root, place), self.store.layers, explain)

    def _looked_into(self, order: Sequence[Vertex], needed: set[Digest]) -> list[Digest]:
        """The layers of the tips, and those that a step to be carried out starts from or reads."""
        roots = [
            each
            for vertex in order
            if vertex.digest in needed and self._is_open(vertex)
            for each in vertex.inputs
        ]
        known = [self.results.get(each.digest) for each in (*self.tips, *roots)]
        return list(dict.fromkeys(layer for each in known if each for layer in each.layers))

    def _settle_known(self, vertex: Vertex) -> None:
        """The result of a vertex for which nothing must be done, not even by others."""
        if isinstance(vertex.op, BaseOp):
            self.cache.lease.protect(*vertex.op.layers)
            self.results[vertex.digest] = Result(vertex.op.layers)
            return
        parent = vertex.parent
        if not vertex.makes_layer or parent is None or parent.digest not in self.results:
            return
        if self._is_anew(vertex) or self._reads_anew(vertex):
            return
        with self._located(vertex):
            found = self.cache.find(self.inputs.quick_key(vertex), vertex.title)
        if found is not None:
            self.ledger.found(vertex, found)
            self._settle(vertex, found.made)

    def _needed(self) -> set[Digest]:
        """What must be there for the tips: of a known step its parent alone."""
        needed: set[Digest] = set()
        waiting = list(self.tips)
        while waiting:
            vertex = waiting.pop()
            if vertex.digest not in needed:
                needed.add(vertex.digest)
                parents = (vertex.parent,) if vertex.parent else ()
                known = vertex.digest in self.results
                waiting += parents if known else vertex.inputs
        return needed

    def _tell_known(self, vertex: Vertex, needed: set[Digest]) -> None:
        step = self.steps[vertex.digest]
        if isinstance(vertex.op, BaseOp):
            if vertex.digest in needed and vertex.op.name != "scratch":
                layers = vertex.op.layers
                size = sum(self.store.layers.info(each).content_size for each in layers)
                self._tell(step, Outcome(True, size, 0.0))
        elif vertex.makes_layer and vertex.digest in self.results:
            made = self.results[vertex.digest].made
            assert made is not None
            self._tell(step, Outcome(True, made.size, 0.0, self._hides(vertex, made)))
        elif vertex.makes_layer and vertex.digest not in needed:
            self._tell(step, Outcome(True, 0, 0.0))

    def _tell(self, step: Step, outcome: Outcome) -> None:
        with self.telling:
            self.observer.started(step)
            self.observer.finished(step, outcome)

    def _find_sources(self, vertices: Sequence[Vertex]) -> None:
        """Find what is read from contexts, so that a name that is wrong fails the build before
        it has cost anything."""
        for vertex in vertices:
            for place, source in enumerate(sources(vertex.op)):
                if isinstance(vertex.origins[source.origin].op, ContextOp):
                    with self._located(vertex):
                        self.inputs.reading(vertex, place)

    def _carry_out(self, vertex: Vertex, performer: Performer) -> None:
        step = self.steps[vertex.digest]
        begun = time.monotonic()
        with self.telling:
            self.observer.started(step)
        try:
            with self._located(vertex):
                cached, made = self._step(vertex, performer)
        except BaseException as error:
            if self.stop.asked:
                raise Stopped from None
            if isinstance(error, Exception):  # who is interrupted has not failed
                with self.telling:
                    self.observer.failed(step, getattr(error, "problem", "") or str(error))
            raise
        with self.telling:
            self._settle(vertex, made)
            hides = self._hides(vertex, made)
            seconds = time.monotonic() - begun
            self.observer.finished(step, Outcome(cached, made.size, seconds, hides))

    def _settle(self, vertex: Vertex, made: Made) -> None:
        self.results[vertex.digest] = Result((*self.inputs.below(vertex), made.layer), made)
        self.names.setdefault(made.layer, f"step {self.steps[vertex.digest].number}")

    def _hides(self, vertex: Vertex, made: Made) -> tuple[tuple[str, int], ...]:
        below = self.inputs.below(vertex)
        return tuple(
            (self.names.get(below[place], "the base"), size)
            for place, size in made.hides
            if place < len(below)  # what another machine says may be anything
        )

    def _step(self, vertex: Vertex, performer: Performer) -> tuple[bool, Made]:
        """Whether it came from the cache, and what it made."""
        quick = self.inputs.quick_key(vertex)
        anew = self._is_anew(vertex)
        if not anew and not self._reads_anew(vertex):
            found = self.cache.have(quick, vertex.title)
            if found is not None:
                self.ledger.found(vertex, found)
                return True, found.made
        # Where files came from does not matter, only what they are.  This key costs having
        # them, and reading listings, so it is asked for only when the quick one missed.
        exact = self.inputs.exact_key(vertex)
        found = None if anew else self.cache.have(exact, vertex.title)
        keys = tuple(dict.fromkeys((quick, exact, *(found.keys if found else ()))))
        if found is not None:
            self.ledger.found(vertex, msgspec.structs.replace(found, keys=keys), by_content=True)
            made = found.made
        else:
            self.ledger.runs(vertex, keys)
            made = self._perform(vertex, performer)
        self.cache.keep(keys, made, vertex.title)
        return found is not None, made

    def _perform(self, vertex: Vertex, performer: Performer) -> Made:
        step = self.steps[vertex.digest]

        def output(piece: bytes) -> None:
            with self.telling:
                self.observer.output(step, piece)

        made = performer.perform(vertex, step.number, output)
        self.cache.lease.protect(made.layer)
        return made

    def _performer(self) -> Performer:
        # What carries steps out is not even imported for a build that is all cached.
        from lamina.build.ground import Ground
        from lamina.build.perform import Performer
        from lamina.build.workshop import Workshop

        occasion, views = self.occasion, self.inputs.views
        chroot = self.means.chroot
        ground = Ground(self.store, views, self.directory, self._remark, chroot=chroot)
        shop = Workshop(
            *(self.store, views, self.directory, occasion.now, self.means, ground, self.epoch)
        )
        return Performer(shop, self.inputs, self.stop, occasion.created)

    def _remark(self, text: str) -> None:
        with self.telling:
            self.observer.remark(text)

    def _located(self, vertex: Vertex) -> AbstractContextManager[None]:
        return pointing(self.source, vertex, self.trees)

    def _is_anew(self, vertex: Vertex) -> bool:
        return not self.occasion.use_cache or vertex.stage in self.occasion.anew

    def _reads_anew(self, vertex: Vertex) -> bool:
        """Whether a stage that it reads is carried out whatever the cache has: then the
        work behind that stage says nothing of its files."""
        if self.occasion.use_cache and not self.occasion.anew:
            return False
        return any(
            each.makes_layer and self._is_anew(each)
            for origin in vertex.origins
            for each in in_order(origin)
        )


def solve(
    plans: Sequence[Plan],
    trees: Trees,
    store: Store,
    lease: Lease,
    *,
    occasion: Occasion,
    observer: Observer,
    means: Means,
    importers: Sequence[Importer] = (),
    explain: Callable[[tuple[Reason, ...]], None] | None = None,
) -> Solved:
    """Have what the targets of plans in one graph need, their layers stored.

    Each finished step is kept in the cache at once, so a build that fails later
    begins there again.  Nothing is left behind but layers and cache entries, and the trace
    of what the steps were made from.  `explain` hears why the cache had each step or not,
    also when the build fails.

    Raises StepError at the instruction that failed, and what the store raises.
    """
    with working_directory(store, occasion.identity) as directory:
        cache = Cache(store, lease, importers)
        solver = _Solver(plans, trees, cache, occasion, observer, means, directory)
        try:
            solver.solve()
        except BaseException:
            solver.look_back(explain, ended_well=False)
            raise
        solver.look_back(explain, ended_well=True)
        chains = [solver.results[tip.digest].layers for tip in solver.tips]
        known = solver.ledger.known(in_order(*solver.tips), solver.tips, solver.results)
        hidden = [solver.inputs.hidden_bytes(chain) for chain in chains]
        return Solved(solver.results, tuple(hidden), known)
