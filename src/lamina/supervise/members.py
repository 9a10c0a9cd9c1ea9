"""What a store knows of containers in networks: `networks/members/<id>.json`.

Read without `json`, which would bring `re` with it: a megabyte beside each container.
"""

from __future__ import annotations

import os
from _json import make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUFFIX = ".json"


class _Context:
    """What the scanner of JSON asks for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own


def load(directory: str, container: str) -> dict[str, Any] | None:
    """A container's part in networks; None when it cannot be read."""
    try:
        with open(f"{directory}/{container}{SUFFIX}", "rb", 0) as stream:
            text = stream.read().decode()
        found = make_scanner(_Context())(text, 0)[0]  # type: ignore[arg-type, unused-ignore]
    except (OSError, ValueError, StopIteration, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def load_all(directory: str) -> list[dict[str, Any]]:
    """All that can be read, in no order."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    found = (load(directory, name[: -len(SUFFIX)]) for name in names if name.endswith(SUFFIX))
    return [each for each in found if each is not None]


def endpoints(member: dict[str, Any]) -> list[dict[str, Any]]:
    """Its ends of networks; what is none of these is left out."""
    listed = member.get("endpoints", [])
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
