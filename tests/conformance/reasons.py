"""Why peers differ from what the cases say: patterns of a case's id and of what differs."""

from __future__ import annotations

REASONS: dict[str, tuple[tuple[str, str], ...]] = {
    "buildkit": (),
    "docker": (),
    "buildah": (),
}
"""By builder: a pattern that is looked for in `id difference; difference…`, and the reason."""
