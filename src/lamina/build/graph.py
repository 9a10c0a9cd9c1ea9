"""What a build does, as a graph of values: operations on file systems and their inputs.  Pure.

A vertex is an operation, the vertex it starts from and the one it copies from.
Its digest is that of the operation and of the inputs' digests: two vertices
with one digest do the same work, and the planner keeps only one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lamina.dockerfile.parse import Instruction
from lamina.oci.digest import Digest
from lamina.oci.document import encode


class BaseOp(msgspec.Struct, frozen=True, tag="base"):
    """Start from an image's layers; none of them for scratch."""

    name: str
    layers: tuple[Digest, ...]


class RunOp(msgspec.Struct, frozen=True, tag="run"):
    """Run a command on the input's file system."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    cwd: str
    network: str = "default"
    script: str = ""
    """A heredoc that begins with `#!`: mounted as the file that `args` names."""


class Document(msgspec.Struct, frozen=True):
    """A file whose content stands in the Dockerfile itself."""

    name: str
    content: str


class CopyOp(msgspec.Struct, frozen=True, tag="copy"):
    """Copy files from the context, or from another vertex, into the input's file system."""

    sources: tuple[str, ...]
    dest: str
    """Absolute; a trailing slash says that it is a directory."""
    documents: tuple[Document, ...] = ()
    owner: str = ""
    """As in `--chown`, looked up in the input; empty: 0:0 from the context, else kept."""
    mode: int | None = None
    unpack: bool = False
    """ADD: archives of the context are unpacked."""


class MakeDirOp(msgspec.Struct, frozen=True, tag="mkdir"):
    """Make a directory and its parents (0755, root), if they are not there: WORKDIR."""

    path: str


Op = BaseOp | RunOp | CopyOp | MakeDirOp


@dataclass(frozen=True, slots=True, eq=False)
class Vertex:
    """One operation in the graph."""

    op: Op
    digest: Digest
    parent: Vertex | None = None
    """Whose file system it changes."""
    origin: Vertex | None = None
    """Where COPY --from reads."""
    instruction: Instruction | None = None
    title: str = ""
    """The instruction as a person reads it, on one line."""
    proxies: tuple[str, ...] = ()
    """Proxy settings of this build: RUN sees them, but nothing depends on them."""

    @property
    def inputs(self) -> tuple[Vertex, ...]:
        """The vertices whose results it needs."""
        return tuple(each for each in (self.parent, self.origin) if each is not None)


class Graph:
    """Makes vertices, each distinct one once."""

    def __init__(self) -> None:
        self._known: dict[Digest, Vertex] = {}

    def add(
        self,
        op: Op,
        *,
        parent: Vertex | None = None,
        origin: Vertex | None = None,
        instruction: Instruction | None = None,
        title: str = "",
        proxies: tuple[str, ...] = (),
    ) -> Vertex:
        """The vertex of `op` on its inputs: a new one, or the one that is there."""
        inputs = [each.digest if each else None for each in (parent, origin)]
        digest = Digest.of(encode([op, inputs]))
        if digest not in self._known:
            self._known[digest] = Vertex(op, digest, parent, origin, instruction, title, proxies)
        return self._known[digest]


def in_order(tip: Vertex) -> list[Vertex]:
    """Every vertex that `tip` needs, and `tip`, inputs before those that need them."""
    order: dict[Digest, Vertex] = {}
    waiting = [(tip, False)]
    while waiting:
        vertex, ready = waiting.pop()
        if vertex.digest in order:
            continue
        if ready:
            order[vertex.digest] = vertex
            continue
        waiting.append((vertex, True))
        waiting.extend((each, False) for each in reversed(vertex.inputs))
    return list(order.values())
