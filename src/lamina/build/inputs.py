"""What each vertex starts from and reads, and the keys that the cache knows it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from lamina.build.trees import Trees
from lamina.cache.cache import Cache, Made, key_of
from lamina.copying.reading import Origin, Reading, content, nameless, read, sources
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.plan.graph import BaseOp, ContextOp, RemoteOp, Vertex
from lamina.store.contract import StepResult

if TYPE_CHECKING:
    from lamina.copying.merged import Views


class Result(msgspec.Struct, frozen=True):
    """A vertex's file system: its layers, the lowest first, and what made the top one."""

    layers: tuple[Digest, ...]
    made: Made | None = None


class Inputs:
    """Answers from the results that are there so far; safe to ask from several threads."""

    def __init__(
        self, trees: Trees, cache: Cache, results: Mapping[Digest, Result], epoch: int | None
    ) -> None:
        self._trees = trees
        self._cache = cache
        self._results = results
        self._epoch = epoch
        self._origins: dict[Digest, Origin] = {}
        self._readings: dict[tuple[Digest, int], Reading] = {}
        self._contents: dict[tuple[Digest, int], Digest] = {}
        self._works: dict[Digest, Digest] = {}

    @cached_property
    def views(self) -> Views:
        """Made when a step is not in the cache: a build that is all cached reads no listing,
        and does not even import what reads them."""
        from lamina.copying.merged import Views

        return Views(self._cache.store.layers)

    def hidden_bytes(self, chain: Sequence[Digest]) -> int:
        """Bytes of file content in `chain` that nobody can see; remembered."""
        steps = self._cache.store.steps
        key = Digest.of(encode(["hidden bytes", list(chain)]))
        known = steps.get(key)
        if known is not None and isinstance(known.data.get("bytes"), int):
            return int(known.data["bytes"])
        total = self.views.total_hidden(chain)
        steps.put(StepResult(key, data={"bytes": total}))
        return total

    def below(self, vertex: Vertex) -> tuple[Digest, ...]:
        """The layers that the vertex starts from, the lowest first."""
        return self._results[vertex.parent.digest].layers if vertex.parent else ()

    def quick_key(self, vertex: Vertex) -> Digest:
        """A key that needs the result of the parent, and of no other stage: what comes from
        one is known by the work that makes it."""
        works = [self._read_work(vertex, place) for place in range(len(sources(vertex.op)))]
        return key_of(vertex.op, self.below(vertex), works, epoch=self._epoch)

    def exact_key(self, vertex: Vertex) -> Digest:
        """The key by content, wherever that came from."""
        contents = [self._content(vertex, place) for place in range(len(sources(vertex.op)))]
        return key_of(nameless(vertex.op), self.below(vertex), contents, epoch=self._epoch)

    def readings(self, vertex: Vertex) -> list[Reading]:
        """Every source of the vertex, in order.  Raises NoSuchSource, BadPattern, LinkLoop."""
        return [self.reading(vertex, place) for place in range(len(sources(vertex.op)))]

    def reading(self, vertex: Vertex, place: int) -> Reading:
        """One source of the vertex; found once."""
        key = (vertex.digest, place)
        if key not in self._readings:
            source = sources(vertex.op)[place]
            origin = self.origin(vertex.origins[source.origin])
            self._readings[key] = read(vertex.op, source, origin)
        return self._readings[key]

    def origin(self, vertex: Vertex) -> Origin:
        """A vertex to read from; its layers are stored when its tree is asked for."""
        if vertex.digest not in self._origins:
            if isinstance(vertex.op, ContextOp | RemoteOp):
                op = vertex.op
                found = Origin(lambda: self._trees.tree(op))
            else:
                layers = self._results[vertex.digest].layers
                found = Origin(lambda: self.views.of(layers), layers)
            self._origins[vertex.digest] = found
        return self._origins[vertex.digest]

    def known_content(self, vertex: Vertex, place: int) -> Digest | None:
        """What `exact_key` found a source to hold; None when nobody asked."""
        return self._contents.get((vertex.digest, place))

    def known_layers(self, vertex: Vertex) -> tuple[Digest, ...] | None:
        """The layers of a vertex; None when there are none, or its result is not there."""
        result = self._results.get(vertex.digest)
        return result.layers if result is not None else None

    def _content(self, vertex: Vertex, place: int) -> Digest:
        key = (vertex.digest, place)
        if key not in self._contents:
            self._contents[key] = content(self.reading(vertex, place))
        return self._contents[key]

    def _read_work(self, vertex: Vertex, place: int) -> Digest:
        """A source by its content when it has that from the start, else by the work behind it."""
        origin = vertex.origins[sources(vertex.op)[place].origin]
        if isinstance(origin.op, ContextOp | RemoteOp):
            return self._content(vertex, place)
        return self._work(origin)

    def _work(self, vertex: Vertex) -> Digest:
        """What a vertex does, with all below it: equal work on equal content."""
        if vertex.digest not in self._works:
            if isinstance(vertex.op, BaseOp):
                found = Digest.of(encode(list(vertex.op.layers)))
            else:
                below = [self._work(vertex.parent)] if vertex.parent else []
                count = len(sources(vertex.op))
                works = [self._read_work(vertex, place) for place in range(count)]
                found = key_of(vertex.op, below, works, epoch=self._epoch)
            self._works[vertex.digest] = found
        return self._works[vertex.digest]
