"""Where the store is when nobody says, and what it keeps outside."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FORMAT = 2
"""The version of docs/on-disk.md that this code reads and writes."""
RUN = Path("/run/lamina")


def default_root(environment: Mapping[str, str], uid: int) -> Path:
    """`LAMINA_ROOT`, else /var/lib/lamina for root, else the user's data directory."""
    if chosen := environment.get("LAMINA_ROOT"):
        return Path(chosen)
    if uid == 0:
        return Path("/var/lib/lamina")
    data = environment.get("XDG_DATA_HOME") or environment.get("HOME", "/") + "/.local/share"
    return Path(data) / "lamina"


def run_directory(root: Path) -> Path:
    """Where that of a store is kept which ends with the machine: mounts, what is held by them.

    `/run/lamina`; and where that is not ours, in an ordinary user's namespace, `<root>/run`:
    a tmpfs there that ends with the namespace, as do its mounts (cli/rootless.py).
    """
    return RUN if os.access(RUN.parent, os.W_OK) else root / "run"
