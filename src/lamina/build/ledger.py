"""What became of each step: for caches elsewhere, and to explain why the cache missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lamina.build.inputs import Result
from lamina.cache.cache import Found, Known
from lamina.oci.digest import Digest
from lamina.plan.graph import Vertex


class Fate(msgspec.Struct, frozen=True):
    """How a step got its result."""

    keys: tuple[Digest, ...]
    """Every key that gives the result from now on."""
    ran: bool = False
    """It was carried out, not found; whether it ended well is another matter."""
    origin: str = ""
    """The importer that had it."""
    by_content: bool = False
    """It was found by what its sources hold, though other work made them."""


class Ledger:
    """The fates of a build's steps, by the digests of their vertices."""

    def __init__(self) -> None:
        self.fates: dict[Digest, Fate] = {}

    def found(self, vertex: Vertex, found: Found, *, by_content: bool = False) -> None:
        """The cache had it."""
        self.fates[vertex.digest] = Fate(found.keys, origin=found.origin, by_content=by_content)

    def runs(self, vertex: Vertex, keys: Sequence[Digest]) -> None:
        """It is carried out, and will be kept under these keys."""
        self.fates[vertex.digest] = Fate(tuple(keys), ran=True)

    @property
    def has_news(self) -> bool:
        """Whether the cache here did not have everything."""
        return any(fate.ran or fate.origin for fate in self.fates.values())

    def known(
        self, order: Sequence[Vertex], tips: Sequence[Vertex], results: Mapping[Digest, Result]
    ) -> tuple[Known, ...]:
        """The steps with a result, in order."""
        chain = {vertex.digest for tip in tips for vertex in _below(tip)}
        return tuple(
            Known(self.fates[vertex.digest].keys, made, vertex.title, vertex.digest in chain)
            for vertex in order
            if vertex.digest in self.fates and (made := results[vertex.digest].made) is not None
        )


def _below(tip: Vertex) -> list[Vertex]:
    """A vertex and all that it stands on."""
    found = [tip]
    while (parent := found[-1].parent) is not None:
        found.append(parent)
    return found
