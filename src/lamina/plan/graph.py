"""What a build does, as a graph of values: operations on file systems and their inputs.  Pure.

A vertex is an operation, the vertex it starts from and those it reads from.
Its digest is that of the operation and of the inputs' digests: two vertices
with one digest do the same work, and the planner keeps only one of them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lamina.dockerfile.instruction import Instruction
from lamina.oci.digest import Digest
from lamina.oci.document import encode


class BaseOp(msgspec.Struct, frozen=True, tag="base"):
    """Start from an image's layers; none of them for scratch."""

    name: str
    layers: tuple[Digest, ...]


class ContextOp(msgspec.Struct, frozen=True, tag="context"):
    """A tree of files that came with the build: the context, or `--build-context name=…`."""

    name: str = ""
    """Empty: the context itself."""


class RemoteOp(msgspec.Struct, frozen=True, tag="remote"):
    """A tree of files that is fetched: ADD of an address."""

    address: str
    checksum: str = ""
    keep_git_dir: bool = False


class RunMount(msgspec.Struct, frozen=True):
    """One `RUN --mount`, its options as BuildKit has them."""

    kind: Literal["bind", "cache", "tmpfs", "secret", "ssh"]
    target: str = ""
    """Absolute; empty for a secret that is an environment variable alone."""
    source: str = ""
    """bind, cache: the path in `origin`."""
    origin: int = -1
    """bind, cache: which of the vertex's origins it shows; -1 for none."""
    id: str = ""
    sharing: Literal["shared", "private", "locked"] = "shared"
    read_only: bool = False
    required: bool = False
    env: str = ""
    """secret: the variable that holds it."""
    size: int = 0
    """tmpfs: bytes, 0 for no limit."""
    mode: int | None = None
    uid: int = 0
    gid: int = 0


class RunOp(msgspec.Struct, frozen=True, tag="run"):
    """Run a command on the input's file system."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    cwd: str
    network: str = "default"
    script: str = ""
    """A heredoc that begins with `#!`: mounted as the file that `args` names."""
    mounts: tuple[RunMount, ...] = ()
    insecure: bool = False
    hosts: tuple[str, ...] = ()
    """`name:address` lines for /etc/hosts."""
    platform: str = ""
    """What its programs are made for, when that is not this host."""


class Document(msgspec.Struct, frozen=True):
    """A file whose content stands in the Dockerfile itself."""

    name: str
    content: str


class CopySource(msgspec.Struct, frozen=True):
    """What COPY and ADD read: a path or pattern in one of the vertex's origins."""

    path: str
    origin: int = 0
    unpack: bool = False
    """Whether files that are archives are unpacked."""


class CopyOp(msgspec.Struct, frozen=True, tag="copy"):
    """Copy files from the vertex's origins into the input's file system."""

    sources: tuple[CopySource, ...]
    dest: str
    """Absolute; a trailing slash says that it is a directory."""
    documents: tuple[Document, ...] = ()
    owner: str = ""
    """As in `--chown`, looked up in the input; empty: 0:0 from a context, else kept."""
    mode: str = ""
    """As in `--chmod`: octal or symbolic; empty keeps the source's."""
    link: bool = False
    """The layer does not depend on what lies under it."""
    parents: bool = False
    """Sources are patterns, and their directories are kept."""
    exclude: tuple[str, ...] = ()
    """Patterns as in an ignore file, relative to each source."""


class MakeDirOp(msgspec.Struct, frozen=True, tag="mkdir"):
    """Make a directory and its parents (0755), if they are not there: WORKDIR."""

    path: str
    owner: str = ""
    """As USER has it, looked up in the input: who gets what is made; empty: 0:0."""


Op = BaseOp | ContextOp | RemoteOp | RunOp | CopyOp | MakeDirOp
TreeOp = ContextOp | RemoteOp
"""Operations that give a tree of files and no layers."""


class Vertex(msgspec.Struct, frozen=True, eq=False):
    """One operation in the graph."""

    op: Op
    digest: Digest
    parent: Vertex | None = None
    """Whose file system it changes."""
    origins: tuple[Vertex, ...] = ()
    """Where it reads: COPY and ADD, and mounts of RUN."""
    instruction: Instruction | None = None
    title: str = ""
    """The instruction as a person reads it, on one line."""
    stage: str = ""
    """The name of the stage, else its number."""
    proxies: tuple[str, ...] = ()
    """Proxy settings of this build: RUN sees them, but nothing depends on them."""

    @property
    def inputs(self) -> tuple[Vertex, ...]:
        """The vertices whose results it needs."""
        return (self.parent, *self.origins) if self.parent else self.origins

    @property
    def makes_layer(self) -> bool:
        """Whether it is a step of its own: it neither begins a stage nor is only read."""
        return isinstance(self.op, RunOp | CopyOp | MakeDirOp)


class Graph:
    """Makes vertices, each distinct one once."""

    def __init__(self) -> None:
        self._known: dict[Digest, Vertex] = {}

    def add(
        self,
        op: Op,
        *,
        parent: Vertex | None = None,
        origins: tuple[Vertex, ...] = (),
        instruction: Instruction | None = None,
        title: str = "",
        stage: str = "",
        proxies: tuple[str, ...] = (),
    ) -> Vertex:
        """The vertex of `op` on its inputs: a new one, or the one that is there."""
        inputs = [parent.digest if parent else None, [each.digest for each in origins]]
        digest = Digest.of(encode([op, inputs]))
        if digest not in self._known:
            self._known[digest] = Vertex(
                op, digest, parent, origins, instruction, title, stage, proxies
            )
        return self._known[digest]


def in_order(*tips: Vertex) -> list[Vertex]:
    """Every vertex that `tips` need, and they, inputs before those that need them."""
    order: dict[Digest, Vertex] = {}
    waiting = [(tip, False) for tip in reversed(tips)]
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
