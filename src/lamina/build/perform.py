"""Carrying out one step, whatever it is; and what there is to know of the layer it made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from lamina.build import execute_copy, execute_run
from lamina.build.inputs import Inputs
from lamina.build.schedule import Stop
from lamina.build.workshop import Workshop
from lamina.cache.cache import Made
from lamina.layer.contract import LayerInfo
from lamina.plan.graph import CopyOp, MakeDirOp, RunOp, Vertex


class Performer(msgspec.Struct, frozen=True):
    """Carries out steps in a workshop."""

    shop: Workshop
    inputs: Inputs
    stop: Stop
    created: str
    """RFC 3339: when the layers are said to be made."""

    def perform(self, vertex: Vertex, number: int, output: Callable[[bytes], None]) -> Made:
        """Carry out the step of that number; `output` hears what it prints.

        Raises CommandFailed, InTheWay, ContextChanged and what containers and the store raise.
        """
        place = self.shop.place(number)
        try:
            return self._made(vertex, self._layer(vertex, place, output))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _layer(self, vertex: Vertex, place: Path, output: Callable[[bytes], None]) -> LayerInfo:
        op, below = vertex.op, self.inputs.below(vertex)
        if isinstance(op, RunOp):
            origins = [self.inputs.origin(each) for each in vertex.origins]
            return execute_run.run(
                self.shop, place, op, below, origins, vertex.proxies, output, self.stop
            )
        if isinstance(op, MakeDirOp):
            return execute_copy.make_directory(self.shop, place, op, below)
        assert isinstance(op, CopyOp)
        return execute_copy.copy(self.shop, place, op, below, self.inputs.readings(vertex))

    def _made(self, vertex: Vertex, info: LayerInfo) -> Made:
        hides: tuple[tuple[int, int], ...] = ()
        # A layer that does not depend on those below is kept for any of them.
        linked = isinstance(vertex.op, CopyOp) and vertex.op.link
        if info.entry_count and not linked:
            chain = [*self.inputs.below(vertex), info.diff_id]
            hides = self.inputs.views.hidden_by_top(chain)
        return Made(info.diff_id, info.content_size, info.tar_size, self.created, hides)
