"""The build cache: what a step is known by, and what is kept of it.

A key is made of the operation and of *content*: the diff_ids below, the digest
of what a COPY reads.  Times, owners on the host and places never enter, so a
`touch` or another checkout hits, and one changed byte or mode bit misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lamina.build.graph import CopyOp, Op
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.store.contract import Lease, StepResult, Store

_VERSION = "lamina build 1"
"""Changes when the same operation would make something else than before."""


class Made(msgspec.Struct, frozen=True):
    """What a step made, as the cache keeps it."""

    layer: Digest
    size: int
    """Bytes of file content."""
    tar_size: int
    created: str
    """RFC 3339."""
    hides: tuple[tuple[int, int], ...] = ()
    """(place in the chain of layers, bytes) that it took out of sight, the lowest first."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Results of steps on `store.steps`; everything it gives is kept by `lease`."""

    store: Store
    lease: Lease

    def find(self, key: Digest) -> Made | None:
        """The result under `key`, if its layer is still stored."""
        found = self.store.steps.get(key)
        if found is None or len(found.layers) != 1:
            return None
        self.lease.protect(*found.layers)
        # It may have been collected between the question and the protection.
        if not self.store.layers.has(found.layers[0]):
            return None
        try:
            return msgspec.convert({**found.data, "layer": found.layers[0]}, Made)
        except msgspec.ValidationError:
            return None

    def keep(self, key: Digest, made: Made, description: str) -> None:
        """Keep a result."""
        data = {"size": made.size, "tar_size": made.tar_size, "created": made.created}
        hides = [list(each) for each in made.hides]
        self.store.steps.put(
            StepResult(key, (made.layer,), made.created, description, {**data, "hides": hides})
        )


def key_of(op: Op, below: Sequence[Digest], content: object = None) -> Digest:
    """The key of an operation on a chain of layers, with the content it reads, if any."""
    if isinstance(op, CopyOp) and isinstance(content, Digest):
        # The names that matter are in the content's digest.
        op = msgspec.structs.replace(op, sources=())
    return Digest.of(encode([_VERSION, op, list(below), content]))
