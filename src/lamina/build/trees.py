"""The trees of files that a build reads beside layers: its contexts, and what it fetches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Protocol

from lamina.context.tree import Tree
from lamina.plan.graph import ContextOp, RemoteOp, TreeOp


class ContextTree(Tree, Protocol):
    """A context: a tree of which an ignore file may hide parts."""

    def hidden(self, path: str) -> bool:
        """Whether an ignore file hides `path`."""
        ...


class Trees:
    """What `ContextOp` and `RemoteOp` stand for."""

    def __init__(
        self, contexts: Mapping[str, ContextTree], fetch: Callable[[RemoteOp], Tree]
    ) -> None:
        self._contexts = contexts
        """By name; the context itself is ""."""
        self._fetch = fetch
        self._fetched: dict[RemoteOp, Tree] = {}
        self._lock = Lock()

    def tree(self, op: TreeOp) -> Tree:
        """The tree; what is remote is fetched once.  Raises what fetching raises."""
        if isinstance(op, ContextOp):
            return self._contexts[op.name]
        with self._lock:
            if op not in self._fetched:
                self._fetched[op] = self._fetch(op)
            return self._fetched[op]

    def hides(self, op: ContextOp, path: str) -> bool:
        """Whether an ignore file hides `path` of a context."""
        return self._contexts[op.name].hidden(path)
