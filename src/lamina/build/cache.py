"""The build cache: what a step is known by, and what is kept of it.

A key is made of the operation and of *content*: the diff_ids below, the digest
of what a COPY reads.  Times, owners on the host and places never enter, so a
`touch` or another checkout hits, and one changed byte or mode bit misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import msgspec

from lamina.build.graph import CopyOp, Op
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.store.contract import Lease, StepResult, Store

_VERSION = "lamina build 2"
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


class Importer(Protocol):
    """Another machine's results."""

    def find(self, key: Digest) -> Made | None:
        """The result under `key`; its layer need not be here."""
        ...

    def fetch(self, layer: Digest) -> None:
        """Bring a layer of such a result into the store.  Raises Unavailable, Corrupt."""
        ...


class Cache:
    """Results of steps on `store.steps`; everything it gives is kept by `lease`.

    What an importer knows is found as well.  Its layer is fetched when `bring` asks for it,
    and not before: a step that nobody looks into stays where it is.
    """

    def __init__(self, store: Store, lease: Lease, importers: Sequence[Importer] = ()) -> None:
        self.store = store
        self.lease = lease
        self._importers = importers
        self._elsewhere: dict[Digest, Importer] = {}
        self._unwritten: dict[Digest, tuple[Made, str]] = {}
        self._lock = Lock()

    def find(self, key: Digest, description: str = "") -> Made | None:
        """The result under `key`: its layer is stored, or `bring` can fetch it."""
        found = self._local(key)
        if found is not None:
            return found
        for importer in self._importers:
            made = importer.find(key)
            if made is not None:
                self.lease.protect(made.layer)
                with self._lock:
                    if not self.store.layers.has(made.layer):
                        self._elsewhere[made.layer] = importer
                    self._unwritten[key] = (made, description)
                return made
        return None

    def _local(self, key: Digest) -> Made | None:
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

    def bring(self, layers: Sequence[Digest]) -> None:
        """Have these layers in the store.  Raises what an importer raises."""
        with self._lock:
            for layer in layers:
                importer = self._elsewhere.pop(layer, None)
                if importer is not None:
                    importer.fetch(layer)
            wanted = set(layers)
            here = [key for key, (made, _) in self._unwritten.items() if made.layer in wanted]
            for key in here:
                self.keep(key, *self._unwritten.pop(key))

    def keep(self, key: Digest, made: Made, description: str) -> None:
        """Keep a result."""
        data = {"size": made.size, "tar_size": made.tar_size, "created": made.created}
        hides = [list(each) for each in made.hides]
        self.store.steps.put(
            StepResult(key, (made.layer,), made.created, description, {**data, "hides": hides})
        )


def key_of(
    op: Op, below: Sequence[Digest], contents: Sequence[Digest], *, epoch: int | None = None
) -> Digest:
    """The key of an operation on a chain of layers, with what it reads, source by source.

    `contents` are digests of content (`reading.content`), or of the work that made it.
    `epoch` (seconds) is what times are clamped to, if they are.
    """
    if isinstance(op, CopyOp):
        below = () if op.link else below
    return Digest.of(encode([_VERSION, op, list(below), list(contents), epoch]))
