"""The build cache: what a step is known by, and what is kept of it.

A key is made of the operation and of *content*: the diff_ids below, the digest
of what a COPY reads.  Times, owners on the host and places never enter, so a
`touch` or another checkout hits, and one changed byte or mode bit misses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Event, Lock
from typing import Protocol

import msgspec

from lamina.errors import EngineError
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.plan.graph import CopyOp, Op
from lamina.store.contract import Lease, StepResult, Store

_VERSION = "lamina build 2"
"""Changes when the same operation would make something else than before."""
_AT_ONCE = 3


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


class Found(msgspec.Struct, frozen=True):
    """A step's result in the cache."""

    made: Made
    keys: tuple[Digest, ...]
    """Every key that is known to give it, the one that was asked for first."""
    origin: str = ""
    """Whose it is: an importer's name; empty for what was built here."""


class Known(msgspec.Struct, frozen=True):
    """A step that a build knows the result of: what other machines may learn of it."""

    keys: tuple[Digest, ...]
    """The first is that of the work (`Inputs.quick_key`)."""
    made: Made
    title: str
    in_chain: bool
    """Whether the target stands on it; else it belongs to a stage that is only read."""


class Importer(Protocol):
    """Another machine's results; safe to ask from several threads."""

    name: str
    """As the user wrote it."""

    def find(self, key: Digest) -> Found | None:
        """The result under `key`; its layer need not be here.  Raises nothing: what cannot be
        reached or read has no results."""
        ...

    def fetch(self, made: Made, stop: Event) -> None:
        """Bring the layer of such a result into the store.  Raises what is wrong with it."""
        ...

    def lost(self, made: Made, error: EngineError) -> None:
        """Hear that the result is not used, and why."""
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
        self._elsewhere: dict[Digest, tuple[Importer, Made]] = {}
        """Layers that are not stored, by diff_id: who has them."""
        self._unwritten: dict[Digest, list[tuple[Found, str]]] = {}
        """By layer: what is kept once it is stored."""
        self._refused: set[tuple[Importer, Digest]] = set()
        self._lock = Lock()

    def find(self, key: Digest, description: str = "") -> Found | None:
        """The result under `key`: its layer is stored, or `bring` can fetch it."""
        found = self._local(key)
        if found is not None:
            return found
        for importer in self._importers:
            found = importer.find(key)
            if found is not None and self._accept(importer, found, description):
                return found
        return None

    def have(self, key: Digest, description: str = "") -> Found | None:
        """The result under `key`, its layer stored."""
        while (found := self.find(key, description)) is not None:
            if not self.bring([found.made.layer]):
                return found
        return None

    def bring(self, layers: Iterable[Digest]) -> list[Digest]:
        """Have these layers in the store; returns those that nobody has after all.

        Results with such a layer are not found again.
        """
        with self._lock:
            wanted = {layer: self._elsewhere[layer] for layer in layers if layer in self._elsewhere}
        if not wanted:
            return []
        # Nothing else of a build that is all cached needs threads.
        from lamina.transfer.parallel import run_all

        def fetching(importer: Importer, made: Made) -> Callable[[Event], bool]:
            return lambda stop: self._fetch(importer, made, stop)

        done = run_all((fetching(*each) for each in wanted.values()), width=_AT_ONCE)
        return [layer for layer, fetched in zip(wanted, done, strict=True) if not fetched]

    def keep(self, keys: Iterable[Digest], made: Made, description: str) -> None:
        """Keep a result under each of its keys."""
        every = tuple(dict.fromkeys(keys))
        data = {"size": made.size, "tar_size": made.tar_size, "created": made.created}
        hides = [list(each) for each in made.hides]
        for key in every:
            others = [str(each) for each in every if each != key]
            more = {**data, "hides": hides, "keys": others}
            self.store.steps.put(StepResult(key, (made.layer,), made.created, description, more))

    def _local(self, key: Digest) -> Found | None:
        kept = self.store.steps.get(key)
        if kept is None or len(kept.layers) != 1:
            return None
        self.lease.protect(*kept.layers)
        # It may have been collected between the question and the protection.
        if not self.store.layers.has(kept.layers[0]):
            return None
        try:
            made = msgspec.convert({**kept.data, "layer": kept.layers[0]}, Made)
            others = msgspec.convert(kept.data.get("keys", ()), tuple[str, ...])
            found = Found(made, (key, *map(Digest, others)))
        except (msgspec.ValidationError, EngineError):
            return None
        self.store.steps.touch(key)
        return found

    def _accept(self, importer: Importer, found: Found, description: str) -> bool:
        """Whether a result from elsewhere can be used: one layer has one size."""
        made = found.made
        self.lease.protect(made.layer)
        with self._lock:
            if (importer, made.layer) in self._refused:
                return False
            if self.store.layers.has(made.layer):
                info = self.store.layers.info(made.layer)
                fits = (info.content_size, info.tar_size) == (made.size, made.tar_size)
                if fits:
                    self.keep(found.keys, made, description)
                return fits
            _, other = self._elsewhere.setdefault(made.layer, (importer, made))
            fits = (other.size, other.tar_size) == (made.size, made.tar_size)
            if fits:
                self._unwritten.setdefault(made.layer, []).append((found, description))
            return fits

    def _fetch(self, importer: Importer, made: Made, stop: Event) -> bool:
        problem: EngineError | None = None
        try:
            importer.fetch(made, stop)
        except EngineError as error:
            problem = error
            importer.lost(made, error)
        with self._lock:
            self._elsewhere.pop(made.layer, None)
            waiting = self._unwritten.pop(made.layer, [])
            if problem is not None:
                self._refused.add((importer, made.layer))
                return False
            for found, description in waiting:
                self.keep(found.keys, found.made, description)
        return True


def key_of(
    op: Op, below: Sequence[Digest], contents: Sequence[Digest], *, epoch: int | None = None
) -> Digest:
    """The key of an operation on a chain of layers, with what it reads, source by source.

    `contents` are digests of content (`reading.content`), or of the work that made it.
    `epoch` (seconds) is what times are clamped to, if they are.
    """
    # The names of users stand in files of the layers below.
    if isinstance(op, CopyOp) and op.link and not op.owner.strip("0123456789:"):
        below = ()
    return Digest.of(encode([_VERSION, op, list(below), list(contents), epoch]))
