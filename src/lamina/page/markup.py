"""Markup that is safe by construction: what is not an element is escaped.  Pure."""

from __future__ import annotations

from html import escape as _entities

from lamina.text import escape, prose_size


class Markup(str):
    """HTML that is written as it stands; any other text is escaped first."""

    __slots__ = ()


NOTHING = Markup()
Attribute = str | int | float | bool | None


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """One element.  `class_` is the attribute `class`, `data_value` is `data-value`; an
    attribute that is None or False is left out, one that is True stands alone."""
    written = "".join(
        _attribute(key.strip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Markup:
    """Parts one after another, each made safe."""
    return Markup("".join(part if isinstance(part, Markup) else _safe(part) for part in parts))


def amount(size: int, *, sign: bool = False) -> Markup:
    """Bytes in words, the exact number in the attribute and for who points at it."""
    exact = f"{size:+,} bytes" if sign else f"{size:,} bytes"
    words = prose_size(abs(size))
    if sign:
        words = f"{'+' if size > 0 else '−' if size < 0 else '±'}{words}"
    return element("data", words, value=size, title=exact)


def count(number: int, noun: str) -> str:
    """`1 file`, `1,204 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {key}"
    return f' {key}="{_safe(str(value))}"'


def _safe(text: str) -> str:
    """No markup, and nothing that hides or reorders what is read."""
    return _entities(escape(text))
