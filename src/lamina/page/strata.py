"""The layers of a stack as strata, drawn to scale, each with its label beside it.  Pure.

A stratum's height is its share of the bytes, and the hatched part of its width the share of
it that nobody can see: areas are bytes.  Labels need more room than thin strata have, so
each stands as near to its stratum as the others allow, and a line leads to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.explain.stack import Stack
from lamina.page.markup import NOTHING, Markup, amount, count, element
from lamina.page.subject import Subject
from lamina.text import prose_size

_LEAST_HEIGHT = 400
_ROW, _LOW_ROW = 48, 30
"""Pixels of a label of two lines, and of one line where there are many."""
_MANY = 14


class Band(msgspec.Struct, frozen=True):
    """One layer in the drawing; pixels from its top."""

    layer: int
    top: float
    height: float
    label: float
    """The middle of its label."""


class Drawing(msgspec.Struct, frozen=True):
    """How large strata are drawn: one scale for all that stand side by side."""

    height: float
    row: int
    scale: float
    """Pixels a byte."""


def drawing(stacks: Sequence[Stack]) -> Drawing:
    """Room for every label, and for the largest of the stacks."""
    most = max(len(stack) for stack in stacks)
    largest = max(stack.account.bytes for stack in stacks)
    row = _ROW if most <= _MANY else _LOW_ROW
    height = max(_LEAST_HEIGHT if largest else 0, most * row)
    return Drawing(height, row, height / max(1, largest))


def bands(stack: Stack, drawn: Drawing) -> list[Band]:
    """The strata of a stack, the top layer first; the lowest one stands on the ground."""
    sizes = [layer.bytes * drawn.scale for layer in reversed(stack.account.layers)]
    tops, top = [], drawn.height - sum(sizes)
    for size in sizes:
        tops.append(top)
        top += size
    middles = [top + size / 2 for top, size in zip(tops, sizes, strict=True)]
    labels = spread(middles, drawn.row, drawn.height)
    return [
        Band(len(stack) - 1 - place, *band)
        for place, band in enumerate(zip(tops, sizes, labels, strict=True))
    ]


def spread(wanted: Sequence[float], apart: float, height: float) -> list[float]:
    """Places near the wanted ones, in their order, at least `apart` from each other and half
    of that from 0 and `height`, which has room for all."""
    places: list[float] = []
    least = apart / 2
    for place in wanted:
        places.append(max(place, least))
        least = places[-1] + apart
    most = height - apart / 2
    for at in reversed(range(len(places))):
        places[at] = min(places[at], most)
        most = places[at] - apart
    return places


def strata(subject: Subject, drawn: Drawing, *, mirrored: bool = False) -> Markup:
    """One stack: the column, the lines that lead from it, and the labels."""
    found = bands(subject.stack, drawn)
    if not found:
        return element("p", "It has no layers.", class_="none")
    spare = min(found[0].top, found[0].label - drawn.row / 2)
    labels = element(
        "ol",
        *(_label(subject, band) for band in found),
        class_="labels",
        aria_label=f"Layers of {subject.stack.name}, the top one first",
    )
    size = prose_size(subject.stack.account.bytes)
    column = element("div", *(_band(subject, band) for band in found), class_="column")
    lines = [_curve(band.top + band.height / 2, band.label) for band in found]
    figure = element(
        "div",
        column,
        _svg(lines, "leaders", drawn.height),
        labels,
        class_="strata mirrored" if mirrored else "strata",
        style=f"--height:{drawn.height:.0f}px;--row:{drawn.row}px;--spare:{spare:.0f}px",
        data_image=subject.number,
        data_low=drawn.row == _LOW_ROW,
    )
    caption = f"{count(len(subject.stack), 'layer')}, {size} in all. Heights are bytes, to scale."
    return element("figure", figure, element("figcaption", caption))


def ribbons(left: Subject, right: Subject, drawn: Drawing) -> Markup:
    """Between two columns: what joins the layers that both have."""
    theirs = {_diff_id(right.stack, band.layer): band for band in bands(right.stack, drawn)}
    joins = []
    for band in bands(left.stack, drawn):
        other = theirs.get(_diff_id(left.stack, band.layer))
        if other is not None:
            joins.append(_ribbon(band, other))
    return _svg(joins, "ribbons", drawn.height)


def _diff_id(stack: Stack, layer: int) -> str:
    return str(stack.account.layers[layer].diff_id)


def _band(subject: Subject, band: Band) -> Markup:
    layer = subject.stack.account.layers[band.layer]
    share = 100 * layer.hidden_bytes / layer.bytes if layer.bytes else 0
    hidden = element("i", class_="hatched", style=f"width:{share:.3f}%") if share else NOTHING
    place = f"top:{band.top:.2f}px;height:{band.height:.2f}px"
    kind = f"band {subject.colours[band.layer]}"
    return element("div", hidden, class_=kind, style=place, data_layer=band.layer)


def _label(subject: Subject, band: Band) -> Markup:
    stack, layer = subject.stack, subject.stack.account.layers[band.layer]
    origin = stack.origins[band.layer]
    row = element(
        "a",
        element("b", origin.label, class_=f"swatch {subject.colours[band.layer]}"),
        element("code", origin.instruction or layer.diff_id.short),
        amount(layer.bytes),
        _note(subject, band.layer),
        href=f"#{subject.anchor(band.layer)}",
        data_layer=band.layer,
    )
    return element("li", row, style=f"top:{band.label:.1f}px")


def _note(subject: Subject, layer: int) -> Markup:
    """What is to be known of a layer besides its size."""
    base, other = subject.stack.base, subject.shared.get(layer)
    notes = [
        element("span", f"= layer {other}", class_="shared") if other else NOTHING,
        element("span", "base") if base and layer < base.layers else NOTHING,
        element("span", subject.fates[layer], class_="lost") if subject.fates[layer] else NOTHING,
        element("span", subject.deeds[layer]) if subject.deeds[layer] else NOTHING,
    ]
    return element("span", *filter(None, notes), class_="note")


def _svg(shapes: Sequence[str], kind: str, height: float) -> Markup:
    """Shapes across a gap of any width; pure decoration, the labels say the same."""
    drawn = "".join(f'<path d="{shape}"/>' for shape in shapes)
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 100 {height:.0f}" preserveAspectRatio="none"'
        f' aria-hidden="true">{drawn}</svg>'
    )


def _curve(start: float, end: float) -> str:
    return f"M0 {start:.1f}C50 {start:.1f} 50 {end:.1f} 100 {end:.1f}"


def _ribbon(left: Band, right: Band) -> str:
    low, other = left.top + left.height, right.top + right.height
    return f"{_curve(left.top, right.top)}L100 {other:.1f}C50 {other:.1f} 50 {low:.1f} 0 {low:.1f}Z"
