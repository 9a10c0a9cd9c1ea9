"""Reports as pieces of HTML, for a notebook: no script, no style sheet, no network.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape as quote

from lamina.explain.stack import Stack
from lamina.text import clip, escape, prose_size

_SHOWN = 20
"""Rows of a table, before the rest is counted."""
_WIDEST = 90
_CELL = "text-align:left;padding:2px 12px 2px 0;white-space:nowrap"
_NUMBER = "text-align:right;padding:2px 12px 2px 0;white-space:nowrap"
_VISIBLE, _HIDDEN = "#2a7f62", "#b3403a"
_HATCH = f"repeating-linear-gradient(135deg,{_HIDDEN} 0 3px,transparent 3px 6px)"
_TRACK = 160
"""Pixels of the widest bar."""


def image_fragment(stack: Stack) -> str:
    """An image or container: its bytes, and each layer with a bar to scale, the hidden part
    hatched; the top layer first."""
    account = stack.account
    widest = max([layer.bytes for layer in account.layers], default=0) or 1
    rows = []
    for place in range(len(stack) - 1, -1, -1):
        layer, origin = account.layers[place], stack.origins[place]
        rows.append(
            "<tr>"
            + _cell(origin.label, _NUMBER)
            + _cell(prose_size(layer.bytes), _NUMBER)
            + _cell(prose_size(layer.hidden_bytes) if layer.hidden_bytes else "", _NUMBER)
            + f"<td>{_bar(layer.visible_bytes, layer.hidden_bytes, widest)}</td>"
            + _cell(origin.instruction, _CELL)
            + "</tr>"
        )
    head = "".join(f"<th style='{_CELL}'>{each}</th>" for each in _LAYER_HEADS)
    return (
        f"<div><p><b>{_text(stack.name)}</b> {_sum(stack)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


_LAYER_HEADS = ("layer", "size", "hidden", "", "instruction")


def table_fragment(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of values; sizes in bytes as they are, and what does not fit is counted."""
    head = "".join(f"<th style='{_CELL}'>{_text(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(_cell(cell_text(each), _NUMBER if is_number(each) else _CELL) for each in row)
        + "</tr>"
        for row in rows[:_SHOWN]
    )
    rest = len(rows) - _SHOWN
    more = f"<p>and {rest:,} more</p>" if rest > 0 else ""
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"


def _sum(stack: Stack) -> str:
    account = stack.account
    if not account.hidden_bytes:
        return f"{prose_size(account.bytes)}, all of it visible"
    share = 100 * account.hidden_bytes / account.bytes
    return (
        f"{prose_size(account.bytes)} ="
        f" <span style='color:{_VISIBLE}'>{prose_size(account.visible_bytes)} visible</span> +"
        f" <span style='color:{_HIDDEN}'>{prose_size(account.hidden_bytes)} hidden</span>"
        f" ({share:.1f} %)"
    )


def _bar(visible: int, hidden: int, widest: int) -> str:
    return "".join(
        f"<span style='display:inline-block;height:10px;width:{_TRACK * size / widest:.0f}px;"
        f"background:{fill}'></span>"
        for size, fill in ((visible, _VISIBLE), (hidden, _HATCH))
        if size
    )


def cell_text(value: object) -> str:
    """A value of a row in a column: empty for None, times to the second."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def is_number(value: object) -> bool:
    """Whether its column is aligned on the right."""
    return isinstance(value, int) and not isinstance(value, bool)


def _cell(text: str, style: str) -> str:
    return f"<td style='{style}'>{_text(text)}</td>"


def _text(text: str) -> str:
    """What an image wrote, as a page may have it."""
    return quote(clip(escape(text), _WIDEST))
