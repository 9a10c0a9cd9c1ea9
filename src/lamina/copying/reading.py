"""What a step reads from its origins, and the digest of that: half of its cache key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import msgspec

from lamina.context.tree import Tree
from lamina.copying.select import Selected, digest, select
from lamina.oci.digest import Digest
from lamina.plan.graph import CopyOp, CopySource, Op, RunOp


class Origin:
    """A vertex that another one reads: a chain of layers, or a tree that has none."""

    def __init__(self, tree: Callable[[], Tree], layers: Sequence[Digest] | None = None) -> None:
        self._tree = tree
        self.layers = tuple(layers) if layers is not None else None
        """The lowest first; None for a context or a fetched tree."""

    @cached_property
    def tree(self) -> Tree:
        """Its files; made when somebody looks."""
        return self._tree()


class Reading(msgspec.Struct, frozen=True):
    """One source, found: what is to be copied or mounted."""

    source: CopySource
    origin: Origin
    selection: tuple[Selected, ...]

    @property
    def tree(self) -> Tree:
        """Where the selection lies."""
        return self.origin.tree


def sources(op: Op) -> tuple[CopySource, ...]:
    """The paths that an operation reads from its origins, in order."""
    if isinstance(op, CopyOp):
        return op.sources
    if isinstance(op, RunOp):
        shown = [mount for mount in op.mounts if mount.origin >= 0]
        return tuple(CopySource(mount.source, mount.origin) for mount in shown)
    return ()


def read(op: Op, source: CopySource, origin: Origin) -> Reading:
    """Find one source.  Raises NoSuchSource, BadPattern, LinkLoop."""
    parents, exclude = (op.parents, op.exclude) if isinstance(op, CopyOp) else (False, ())
    tree, found = select(origin.tree, source.path, parents=parents, exclude=exclude)
    if tree is not origin.tree:
        origin = Origin(lambda: tree, origin.layers)
    return Reading(source, origin, tuple(found))


def content(reading: Reading) -> Digest:
    """Of all that was found: names, kinds, modes, link targets and contents, and the owners
    in layers, since a context has none; no times."""
    owners = reading.origin.layers is not None
    return digest(reading.tree, reading.selection, owners=owners)


def nameless(op: Op) -> Op:
    """The operation without the paths it reads: what matters of them is in the content."""
    if not isinstance(op, CopyOp) or op.parents:
        return op
    return msgspec.structs.replace(
        op, sources=tuple(CopySource("", unpack=each.unpack) for each in op.sources)
    )
