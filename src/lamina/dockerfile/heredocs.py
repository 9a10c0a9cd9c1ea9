"""The documents that a line begins: `<<EOF`, `<<-EOF`, `<<'EOF'`.  Pure."""

from __future__ import annotations

import re

import msgspec

from lamina.dockerfile.expand import BadSubstitution, heredoc_name, raw_words

_HEREDOC = re.compile(r"\d*<<(-?)[\t\n\f\r ]*([^<]*)")


class Begun(msgspec.Struct, frozen=True):
    """A document as the line that begins it names it."""

    word: str
    """`<<-'EOF'`."""
    name: str
    expand: bool
    chomp: bool


def begun_by(line: str) -> list[Begun]:
    """The documents of a line, in order; none when one of its quotes has no end."""
    return [each for word in raw_words(line) if (each := begun(word)) is not None]


def begun(word: str) -> Begun | None:
    """The document that one word begins; None when it begins none."""
    match = _HEREDOC.fullmatch(word)
    if match is None or not match[2]:
        return None
    try:
        named = heredoc_name(match[2])
    except BadSubstitution:
        return None
    if named is None:
        return None
    name, quoted = named
    return Begun(word, name, not quoted, match[1] == "-")
