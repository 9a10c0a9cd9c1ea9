"""What a container may be called.  Pure."""

from __future__ import annotations

from lamina.errors import Invalid

_PATTERN = "[a-zA-Z0-9][a-zA-Z0-9_.-]+"
"""In Docker's words; it is not compiled, which takes longer than what is looked at here."""
_FURTHER = "_.-"


class BadName(Invalid):
    """The text cannot be a container's name."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"Invalid container name ({text}), only {_PATTERN} are allowed",
            hint="at least two letters, digits, '_', '.' and '-'; the first a letter or digit",
        )


def check_name(text: str) -> str:
    """The name that is meant by `NAME` or `/NAME`.  Raises BadName."""
    name = text.removeprefix("/")
    if len(name) < 2 or name[0] in _FURTHER or not all(map(_is_allowed, name)):
        raise BadName(name)
    return name


def _is_allowed(letter: str) -> bool:
    return letter in _FURTHER or (letter.isascii() and letter.isalnum())
