"""The opened parts of one root directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lamina.store.contract import Store
from lamina.store.root import open_store


@dataclass(frozen=True, slots=True)
class Engine:
    """What the verbs take their parts from; it has none of its own."""

    store: Store


def open_engine(root: Path) -> Engine:
    """Open the store at `root`, making it if it is not there (mode 0700).

    Raises what `open_store` raises: a newer format, no permission.
    """
    return Engine(open_store(root))
