"""Text for people: sizes in words, and what others wrote (an image's names, labels,
paths) made safe for a terminal.  Pure."""

from __future__ import annotations

from typing import Any

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\e"}
_LINES = "\n\t"
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
"""Of sizes: 1 kB is 1000 bytes, as Docker counts."""


def prose_size(n: int) -> str:
    """Bytes as a sentence has them: `0 B`, `52.4 MB`; one decimal, so that columns line up."""
    value, unit = float(n), 0
    while round(value, 1) >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{n} B"


def escape(text: str, *, keep: str = "") -> str:
    """`text` with everything that moves the cursor, hides or reorders written out.

    Control characters, escape sequences, bidirectional overrides, invisible
    format characters and the surrogates that stand for undecodable bytes come
    out as `\\n`, `\\e`, `\\x9b`, `\\u202e`, `\\xff`.  Characters in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep or _is_blank(c) else _written(c) for c in text)


def escape_lines(text: str) -> str:
    """`escape` for text of several lines: line ends and tabs stay."""
    return escape(text, keep=_LINES)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """`value` as JSON that a terminal shows as it is: what `escape` writes out is `\\u….`.

    Objects with no JSON form are written as their text.
    """
    import json

    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str, separators=separators)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" or _is_blank(c) else json.dumps(c)[1:-1] for c in text
    )


def width(text: str) -> int:
    """The columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(c) for c in text)


def clip(text: str, columns: int, *, mark: str = "…") -> str:
    """`text`, cut to at most `columns` columns; `mark` says that it was."""
    if width(text) <= columns:
        return text
    room, kept = columns - width(mark), ""
    for c in text:
        room -= _columns(c)
        if room < 0:
            break
        kept += c
    return kept + mark if columns >= width(mark) else ""


def _columns(c: str) -> int:
    import unicodedata  # a megabyte, and most text is ASCII

    if unicodedata.combining(c):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _is_blank(c: str) -> bool:
    import unicodedata

    return unicodedata.category(c) == "Zs"


def _written(c: str) -> str:
    code = ord(c)
    if c in _SHORT:
        return _SHORT[c]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
