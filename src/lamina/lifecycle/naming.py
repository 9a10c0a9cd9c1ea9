"""What a container may be called.  Pure."""

from __future__ import annotations

import re

from lamina.errors import Invalid

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


class BadName(Invalid):
    """The text cannot be a container's name."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"Invalid container name ({text}), only {_NAME.pattern} are allowed",
            hint="at least two letters, digits, '_', '.' and '-'; the first a letter or digit",
        )


def check_name(text: str) -> str:
    """The name that is meant by `NAME` or `/NAME`.  Raises BadName."""
    name = text.removeprefix("/")
    if not _NAME.fullmatch(name):
        raise BadName(name)
    return name
