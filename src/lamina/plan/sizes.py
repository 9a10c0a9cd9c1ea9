"""Amounts of memory as Docker's options have them: `64m`, `1g`.  Pure."""

from __future__ import annotations

import re

from lamina.errors import Invalid

_SIZE = r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?"
_LARGEST = (1 << 63) - 1


class BadSize(Invalid):
    """The text is not a size."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a size: {text!r}", hint="a number with b, k, m or g: 64m")


def size_in_bytes(text: str) -> int:
    """`64m`, `1.5g`, `512k`, `1048576`: units are powers of 1024.  Raises BadSize."""
    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if found is None:
        raise BadSize(text)
    size = int(float(found[1]) * 1024 ** " kmgtp".index(found[2].lower() or " "))
    if size > _LARGEST:
        raise BadSize(text)
    return size
