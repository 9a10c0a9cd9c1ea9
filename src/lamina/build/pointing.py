"""Errors of steps, made to point at the instruction that asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.build.errors import CommandFailed, StepError
from lamina.build.trees import Trees
from lamina.context.tree import clean
from lamina.copying.reading import sources
from lamina.copying.select import NoSuchSource
from lamina.dockerfile.source import Source
from lamina.errors import EngineError
from lamina.plan.graph import ContextOp, RemoteOp, Vertex


@contextmanager
def pointing(source: Source, vertex: Vertex, trees: Trees) -> Iterator[None]:
    """Turn what is raised in the block into a StepError at the vertex's instruction.

    What is nobody's line's fault (a disk that is full, a layer that is damaged) stays as it is.
    """
    try:
        yield
    except EngineError as error:
        raise _at(source, vertex, error, trees) from error


def _at(source: Source, vertex: Vertex, error: EngineError, trees: Trees) -> EngineError:
    elsewhere = error.kind in ("unavailable", "corrupt", "denied") and not _fetches(vertex)
    if vertex.instruction is None or isinstance(error, StepError) or elsewhere:
        return error
    if isinstance(error, NoSuchSource):
        return _missing(source, vertex, error, trees)
    found = StepError(source, vertex.instruction.span, str(error), note=error.hint)
    if isinstance(error, CommandFailed):
        found.status = error.status
    return found


def _missing(source: Source, vertex: Vertex, error: NoSuchSource, trees: Trees) -> StepError:
    assert vertex.instruction is not None
    read_from = [each.origin for each in sources(vertex.op) if each.path == error.source]
    origin = vertex.origins[read_from[0] if read_from else 0]
    note = error.hint
    where = origin.title
    if isinstance(origin.op, ContextOp):
        where = f"the context {origin.op.name}".rstrip()
        if trees.hides(origin.op, clean(error.source)):
            note = "the ignore file hides it"
    problem = f"{error.source} is not in {where}"
    return StepError(source, vertex.instruction.place(error.source), problem, note=note)


def _fetches(vertex: Vertex) -> bool:
    """Whether it reads what an instruction names by its address: a fault there is that line's."""
    return any(isinstance(each.op, RemoteOp) for each in (vertex, *vertex.origins))
