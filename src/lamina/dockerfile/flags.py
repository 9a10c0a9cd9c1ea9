"""The flags between an instruction's keyword and its arguments.  Pure."""

from __future__ import annotations

from lamina.dockerfile.spaces import is_space


def split_flags(text: str, escape: str) -> tuple[list[tuple[str, int, int]], int]:
    """The leading words that begin with `--`, and where the arguments begin.

    Each word is without its quotes and escapes, with where it begins and ends in
    `text`.  A word that is `--` alone ends the flags.
    """
    found: list[tuple[str, int, int]] = []
    place = 0
    while True:
        while is_space(text[place : place + 1]):
            place += 1
        if not text.startswith("--", place):
            return found, place
        word, end = _word(text, place, escape)
        if word == "--":
            return found, end
        found.append((word, place, end))
        place = end


def _word(text: str, place: int, escape: str) -> tuple[str, int]:
    word, quote = "", ""
    while place < len(text):
        mark = text[place]
        if quote and mark == quote:
            quote = ""
        elif not quote and is_space(mark):
            break
        elif not quote and mark in "'\"":
            quote = mark
        elif mark == escape:
            place += 1
            word += text[place : place + 1]
        else:
            word += mark
        place += 1
    return word, place
