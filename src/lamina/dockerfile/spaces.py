"""What counts as a blank in a Dockerfile.  Pure.

Go has two answers, and neither is Python's: `unicode.IsSpace` where a text is
trimmed or a quoted word ends, and five ASCII characters where words are split.
"""

from __future__ import annotations

import re

SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters of Go's `unicode.IsSpace`, for `strip`."""
BLANKS = re.compile(r"[\t\v\f\r ]+")
"""What splits a line into words."""


def is_space(mark: str) -> bool:
    """Whether one character is a space to Go; nothing is none."""
    return mark != "" and mark in SPACES


def words(text: str) -> tuple[str, ...]:
    """`text` split at blanks; quotes mean nothing."""
    return tuple(word for word in BLANKS.split(text.strip(SPACES)) if word)
