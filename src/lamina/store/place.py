"""Where the store is when nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def default_root(environment: Mapping[str, str], uid: int) -> Path:
    """`LAMINA_ROOT`, else /var/lib/lamina for root, else the user's data directory."""
    if chosen := environment.get("LAMINA_ROOT"):
        return Path(chosen)
    if uid == 0:
        return Path("/var/lib/lamina")
    data = environment.get("XDG_DATA_HOME") or environment.get("HOME", "/") + "/.local/share"
    return Path(data) / "lamina"
