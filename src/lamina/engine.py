"""The opened parts of one root directory."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lamina.layer.contract import Form
from lamina.store.contract import Store
from lamina.store.root import open_store


class Engine(msgspec.Struct, frozen=True):
    """What the verbs take their parts from; it has none of its own."""

    store: Store


def open_engine(root: Path, *, layer_form: Form | None = None) -> Engine:
    """Open the store at `root`, making it if it is not there (mode 0700).

    `layer_form` is how new layers are kept.  Raises what `open_store` raises: a newer
    format, no permission.
    """
    return Engine(open_store(root, layer_form=layer_form))
