"""How a transfer tells what it is doing: the command line draws it, a test collects it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of each item under way; called from several threads."""

    def start(self, item: str, what: str, total: int | None) -> None:
        """`item` (a short id) begins: `what` is a verb such as "Pulling"; `total` in bytes."""
        ...

    def advance(self, item: str, amount: int) -> None:
        """`amount` more bytes of `item` are done."""
        ...

    def finish(self, item: str, what: str) -> None:
        """`item` is done: "Pull complete", "Already exists"."""
        ...

    def note(self, line: str) -> None:
        """A line that stands by itself: "Digest: sha256:…"."""
        ...


class Silent:
    """Draws nothing."""

    def start(self, item: str, what: str, total: int | None) -> None: ...

    def advance(self, item: str, amount: int) -> None: ...

    def finish(self, item: str, what: str) -> None: ...

    def note(self, line: str) -> None: ...
