"""After a build, whether it went well or not: its trace is kept, and its steps are explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.build.inputs import Inputs, Result
from lamina.build.ledger import Ledger
from lamina.build.observe import Occasion, Step
from lamina.build.trace import StepTrace, read_trace, trace, write_trace
from lamina.errors import EngineError
from lamina.layer.entry import os_path
from lamina.oci.digest import Digest
from lamina.plan.graph import Vertex
from lamina.store.contract import LayerStore

if TYPE_CHECKING:
    from lamina.build.reason import LayerFacts, Outcome, Reason, Trial


class Hindsight(msgspec.Struct, frozen=True):
    """What is known of a build when it is over."""

    steps: Sequence[Step]
    """All that make a layer, in order."""
    ledger: Ledger
    inputs: Inputs
    results: Mapping[Digest, Result]
    occasion: Occasion
    epoch: int | None
    ended_well: bool

    def look_back(
        self, path: Path, layers: LayerStore, explain: Callable[[tuple[Reason, ...]], None] | None
    ) -> None:
        """Keep the trace at `path` if there is news, and explain if somebody asks."""
        before = read_trace(path)
        earlier = {key: each for each in before for key in each.keys}
        traces = [self._trace(step.vertex, earlier) for step in self.steps]
        if self.ledger.has_news:
            write_trace(path, self._kept(traces, before))
        if explain is not None:
            from lamina.build.why import explain as reasons

            trials = [
                self._trial(step, each) for step, each in zip(self.steps, traces, strict=True)
            ]
            explain(reasons(trials, before, lambda *which: self._contents(layers, *which)))

    def _trace(self, vertex: Vertex, earlier: Mapping[bytes, StepTrace]) -> StepTrace | None:
        """What it was made from; None where that is not known."""
        fate = self.ledger.fates.get(vertex.digest)
        if fate is None:
            return None
        known = next((earlier[key.raw] for key in fate.keys if key.raw in earlier), None)
        if known is not None and not fate.ran:
            return known
        result = self.results.get(vertex.digest)
        layer = result.made.layer if result is not None and result.made is not None else None
        return trace(vertex, self.inputs, fate.keys, layer, self.epoch)

    def _kept(
        self, traces: Sequence[StepTrace | None], before: Sequence[StepTrace]
    ) -> list[StepTrace]:
        """Those of finished steps; what did not come that far is known as before."""
        kept: list[StepTrace] = []
        old = {(each.stage, each.title): each for each in before}
        for step, each in zip(self.steps, traces, strict=True):
            if each is None or not each.layer:
                place = (os_path(step.vertex.stage), os_path(step.vertex.title))
                each = old.get(place)
            if each is not None:
                kept.append(each)
        return kept

    def _trial(self, step: Step, traced: StepTrace | None) -> Trial:
        from lamina.build.reason import Trial

        fate = self.ledger.fates.get(step.vertex.digest)
        if fate is None:
            outcome: Outcome = "unneeded" if self.ended_well else "unreached"
            return Trial(step.number, step.place, outcome, None, step.vertex.title)
        return Trial(
            step.number,
            step.place,
            "miss" if fate.ran else "hit",
            traced,
            step.vertex.title,
            fate.origin,
            self._anew(step.vertex),
            fate.by_content,
        )

    def _anew(self, vertex: Vertex) -> str:
        if not self.occasion.use_cache:
            return "--no-cache"
        return f"--no-cache-filter {vertex.stage}" if vertex.stage in self.occasion.anew else ""

    def _contents(
        self, layers: LayerStore, number: int, place: int, chain: Sequence[bytes]
    ) -> Mapping[bytes, LayerFacts] | None:
        from lamina.build.reason import LayerFacts
        from lamina.context.outline import facts, walk
        from lamina.copying.reading import Origin, read, sources

        digests = [Digest.from_raw(each) for each in chain]
        if not all(layers.has(each) for each in digests):
            return None
        op = self.steps[number - 1].vertex.op
        origin = Origin(lambda: self.inputs.views.of(digests), digests)
        try:
            reading = read(op, sources(op)[place], origin)
        except EngineError:
            return {}  # there was nothing of that name
        return {
            os_path(entry.path): LayerFacts(facts(reading.tree, entry), (entry.uid, entry.gid))
            for each in reading.selection
            for entry in walk(reading.tree, each.entry)
        }
