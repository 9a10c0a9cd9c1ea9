"""What the steps of a build were made from, kept to say later why the cache misses.

One file for each build, which is known by its context, its Dockerfile and its target.
It is written when a step ran, and never read but for an explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lamina.build.inputs import Inputs
from lamina.context.outline import Outline, outline
from lamina.copying.reading import sources
from lamina.layer.entry import os_path
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.plan.graph import BaseOp, ContextOp, CopyOp, RemoteOp, RunOp, Vertex
from lamina.sha256 import sha256
from lamina.store.atomic import keep_newest, replace_file

_VERSION = 1
_KEPT = 64
"""Traces of so many builds are kept, the ones written last."""


class SourceTrace(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What a step read from one place."""

    path: bytes
    origin: bytes
    """Where that is, in words."""
    content: bytes = b""
    """The digest of it; empty when nobody needed it."""
    files: Outline | None = None
    """Of a context."""
    chain: tuple[bytes, ...] = ()
    """The layers it was read from, the lowest first."""


class StepTrace(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What a step was made from.  Texts are the bytes of the Dockerfile."""

    stage: bytes
    title: bytes
    op: bytes
    """The operation as JSON, without its environment and its sources."""
    env: tuple[bytes, ...]
    base: bytes
    """What the stage began with, as the Dockerfile names it."""
    below: tuple[bytes, ...]
    """The layers it stands on."""
    of_base: int
    """How many of them are the base's."""
    sources: tuple[SourceTrace, ...]
    epoch: int | None
    keys: tuple[bytes, ...]
    layer: bytes = b""
    """What it made."""


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """One build's."""

    version: int
    steps: tuple[StepTrace, ...]


def trace_path(root: Path, place: Sequence[str]) -> Path:
    """The file for a build that is known by `place`."""
    name = sha256(b"\0".join(map(os_path, place))).hex()[:32]
    return root / "cache" / f"trace-{name}"


def read_trace(path: Path) -> tuple[StepTrace, ...]:
    """The steps of the last build; none when there is no file, or one of another version."""
    try:
        found = msgspec.msgpack.decode(path.read_bytes(), type=Trace)
    except (OSError, msgspec.MsgspecError):
        return ()
    return found.steps if found.version == _VERSION else ()


def write_trace(path: Path, steps: Sequence[StepTrace]) -> None:
    """Keep these, and of all builds those that were written last."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    raw = msgspec.msgpack.encode(Trace(_VERSION, tuple(steps)))
    # Not synced: a torn file says nothing, and the build after writes it anew.
    replace_file(path, raw, durable=False)
    keep_newest(path.parent, "trace-", _KEPT)


def trace(
    vertex: Vertex, inputs: Inputs, keys: Sequence[Digest], layer: Digest | None, epoch: int | None
) -> StepTrace:
    """Of a step whose parent's result is there."""
    env = vertex.op.env if isinstance(vertex.op, RunOp) else ()
    below = inputs.below(vertex)
    base = _base(vertex)
    layers = base.op.layers if base is not None and isinstance(base.op, BaseOp) else ()
    return StepTrace(
        os_path(vertex.stage),
        os_path(vertex.title),
        _bare(vertex),
        tuple(map(os_path, env)),
        os_path(base.title.removeprefix("base ")) if base is not None else b"",
        tuple(each.raw for each in below),
        len(layers),
        tuple(_source(vertex, place, inputs) for place in range(len(sources(vertex.op)))),
        epoch,
        tuple(each.raw for each in keys),
        layer.raw if layer is not None else b"",
    )


def _source(vertex: Vertex, place: int, inputs: Inputs) -> SourceTrace:
    source = sources(vertex.op)[place]
    origin = vertex.origins[source.origin]
    content = inputs.known_content(vertex, place)
    common = (os_path(source.path), os_path(_where(origin)), content.raw if content else b"")
    if isinstance(origin.op, ContextOp | RemoteOp):
        files = outline_of(inputs, vertex, place) if content is not None else None
        return SourceTrace(*common, files)
    chain = inputs.known_layers(origin) or ()
    return SourceTrace(*common, None, tuple(each.raw for each in chain))


def outline_of(inputs: Inputs, vertex: Vertex, place: int) -> Outline:
    """What a source of the step is now."""
    reading = inputs.reading(vertex, place)
    return outline(reading.tree, [each.entry for each in reading.selection])


def _where(origin: Vertex) -> str:
    """A vertex that is read from, in words."""
    match origin.op:
        case BaseOp(name=name):
            return name
        case ContextOp(name=name):
            return f"the context {name}".rstrip()
        case RemoteOp(address=address):
            return address
        case _:
            return f"stage {origin.stage}"


def _base(vertex: Vertex) -> Vertex | None:
    at: Vertex | None = vertex
    while at is not None and at.parent is not None:
        at = at.parent
    return at


def _bare(vertex: Vertex) -> bytes:
    op = vertex.op
    if isinstance(op, RunOp):
        op = msgspec.structs.replace(op, env=())
    if isinstance(op, CopyOp):
        op = msgspec.structs.replace(op, sources=())
    return encode(op)
