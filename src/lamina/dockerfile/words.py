"""Words in quotes, as ENV, LABEL and ARG have them; their quotes stay for expansion.  Pure."""

from __future__ import annotations

from lamina.dockerfile.instruction import Instruction
from lamina.dockerfile.source import DockerfileError, Source
from lamina.dockerfile.spaces import BLANKS, is_space


def name_values(source: Source, instruction: Instruction, escape: str) -> list[tuple[str, str]]:
    """The pairs of ENV and LABEL: `k=v …`, or the old `k v`.

    Quotes and escapes stay: they are for expansion to read.  Raises DockerfileError.
    """
    words = quoted_words(instruction.text, escape)
    if is_legacy(words):
        parts = BLANKS.split(instruction.text, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileError(
                source, instruction.span, f"{instruction.keyword} needs a name and a value"
            )
        return [(parts[0], parts[1])]
    pairs: list[tuple[str, str]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise DockerfileError(
                source, instruction.place(word), f"{word!r} is not of the form name=value"
            )
        pairs.append((name, value))
    return pairs


def is_legacy(words: list[str]) -> bool:
    """Whether these words of ENV or LABEL are one name and its value, without `=`."""
    return not words or "=" not in words[0]


def quoted_words(text: str, escape: str) -> list[str]:
    """Split at blanks that stand outside quotes; quotes and escapes are kept."""
    words: list[str] = []
    word, quote, place = "", "", 0
    while place < len(text):
        mark = text[place]
        if not quote and is_space(mark):
            if word:
                words.append(word)
            word = ""
        elif mark == escape and quote != "'":
            if place + 1 < len(text):
                word += text[place : place + 2]
            place += 1
        else:
            if quote and mark == quote:
                quote = ""
            elif not quote and mark in "'\"":
                quote = mark
            word += mark
        place += 1
    if word:
        words.append(word)
    return words
