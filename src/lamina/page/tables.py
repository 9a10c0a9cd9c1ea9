"""The parts of the page that are words and numbers: they need no script.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from lamina.explain.advice import advise
from lamina.explain.cause import instruction
from lamina.explain.findings import Finding
from lamina.explain.stack import OWN, Stack
from lamina.page.markup import NOTHING, Attribute, Markup, amount, count, element, joined
from lamina.page.subject import Subject

FINDINGS = 300
"""How many findings have a row of their own: an image may have 100,000."""
_SHORT_ID = 12


def headline(subject: Subject, largest: int) -> Markup:
    """The sum, total = visible + hidden, and a bar: as long as the page for `largest` bytes."""
    account = subject.stack.account
    parts = [element("strong", amount(account.bytes), class_="total")]
    if account.hidden_bytes:
        parts += [
            Markup(" = "),
            element("span", amount(account.visible_bytes), " visible", class_="seen"),
            Markup(" + "),
            element("span", amount(account.hidden_bytes), " hidden", class_="lost"),
        ]
    else:
        parts += [Markup(", "), element("span", "all of it visible", class_="seen")]
    share = 100 * account.hidden_bytes / account.bytes if account.bytes else 0
    bar = element("i", style=f"width:{100 - share:.3f}%")
    long = 100 * account.bytes / largest if largest else 0
    rest = element("i", class_="hatched", style=f"width:{share:.3f}%") if share else NOTHING
    return joined(
        element("p", *parts, class_="sum"),
        element("div", bar, rest, class_="share", style=f"width:{long:.3f}%", aria_hidden="true"),
    )


def facts(stack: Stack) -> Markup:
    """Name, id, platform and the like."""
    config, base = stack.config, stack.base
    kind = "container" if stack.is_container else "image"
    identity = stack.identity.removeprefix("sha256:")
    rows = [(f"{kind} id", element("code", identity[:_SHORT_ID], title=stack.identity))]
    if config is not None:
        rows.append(("platform", joined(str(config.platform))))
    if config is not None and config.created:
        rows.append(("created", _moment(config.created)))
    layers = count(len(stack), "layer")
    if base is not None:
        layers += f", {base.layers} of them from {base.name}"
    rows.append(("layers", joined(layers)))
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in rows),
        class_="facts",
    )


def _moment(text: str) -> Markup:
    """An RFC 3339 time to the minute; the whole for who points at it."""
    return element("time", text[:16].replace("T", " "), datetime=text, title=text)


def comparison(old: Subject, new: Subject) -> Markup:
    """The totals of two stacks, and how they differ."""
    measures: list[tuple[str, Callable[[Subject], int]]] = [
        ("total", lambda each: each.stack.account.bytes),
        ("visible", lambda each: each.stack.account.visible_bytes),
        ("hidden", lambda each: each.stack.account.hidden_bytes),
        ("shared layers", _shared_bytes),
        ("own layers", lambda each: each.stack.account.bytes - _shared_bytes(each)),
    ]
    rows = [
        _row(
            element("th", name, scope="row"),
            *(_cell(amount(measure(each)), each.stack.name, "number") for each in (old, new)),
            _cell(amount(measure(new) - measure(old), sign=True), "change", "number"),
        )
        for name, measure in measures
    ]
    heads = ["", old.stack.name, new.stack.name, "change"]
    return _table("Totals of both", heads, rows, kind="totals", right={1, 2, 3})


def _shared_bytes(subject: Subject) -> int:
    return sum(subject.stack.account.layers[layer].bytes for layer in subject.shared)


def findings_table(subject: Subject, *, limit: int = FINDINGS) -> Markup:
    """What is hidden, the most bytes first."""
    found = subject.findings
    if not found:
        return element("p", "Nothing is hidden: every byte that ships can be seen.", class_="none")
    rows = [_finding(subject, each) for each in found[:limit]]
    heads = ["cause", "path", "bytes", "files", "shipped by", "hidden by"]
    name, foot = f"Hidden files of {subject.stack.name}", _more(found[limit:])
    return _table(name, heads, rows, kind="findings cards", right={2, 3}, foot=foot)


def _finding(subject: Subject, found: Finding) -> Markup:
    return _row(
        _cell(found.cause.value, "cause", "cause"),
        _cell(element("bdi", found.path), "path", "path"),
        _cell(amount(found.bytes), "bytes", "number"),
        _files(found.files),
        _cell(_swatch(subject, found.layer), "shipped by", "layer"),
        _cell(_swatch(subject, found.hidden_by), "hidden by", "layer"),
        data_layers=f"{found.layer} {found.hidden_by}",
    )


def _more(rest: Sequence[Finding]) -> Markup:
    """Findings without a row of their own, added up."""
    if not rest:
        return NOTHING
    files = sum(each.files for each in rest)
    return _row(
        _cell("and more", "cause"),
        _cell(f"{len(rest):,} smaller", "path"),
        _cell(amount(sum(each.bytes for each in rest)), "bytes", "number"),
        _files(files),
        _cell("", ""),
        _cell("", ""),
    )


def instructions(subject: Subject) -> Markup:
    """The lines that made the image, as a Dockerfile has them, and what each put into it."""
    stack = subject.stack
    most = max((layer.bytes for layer in stack.account.layers), default=0)
    rows = [
        _instruction(subject, number, text, layer, most)
        for number, (text, layer) in enumerate(_lines(stack), 1)
    ]
    heads = ["line", "layer", "instruction", "bytes", "", "what became of it"]
    return _table(
        f"Instructions of {stack.name}", heads, rows, kind="instructions cards", right={3}
    )


def advice_table(subject: Subject) -> Markup:
    """What can be seen and is probably not wanted, the most bytes first."""
    found = advise(subject.stack)
    if not found:
        return element("p", "Nothing stands out.", class_="none")
    rows = [
        _row(
            _cell(each.kind, "kind", "cause"),
            _cell(
                joined(
                    element("div", each.what),
                    element("div", element("bdi", f"/{each.examples[0].path}"), class_="example"),
                    element("div", each.instead, class_="instead"),
                ),
                "what",
                "text",
            ),
            _cell(amount(each.bytes), "bytes", "number"),
            _files(each.files),
            _cell(joined(*(_swatch(subject, layer) for layer in each.layers)), "in", "layer"),
        )
        for each in found
    ]
    heads = [
        "kind",
        "what, the largest of it, and what to do instead",
        "bytes",
        "files",
        "in layers",
    ]
    name = f"Visible and probably not wanted in {subject.stack.name}"
    return _table(name, heads, rows, kind="advice cards", right={2, 3})


def _lines(stack: Stack) -> list[tuple[str, int | None]]:
    """Instructions, the first one first, and the layer that each made."""
    origins = [(origin.instruction, place) for place, origin in enumerate(stack.origins)]
    history = stack.config.history if stack.config is not None else ()
    filled = sum(not line.empty_layer for line in history)
    if filled != len(stack) - stack.is_container:
        return list(origins)
    made = iter(origins)
    return [
        *((instruction(line), None) if line.empty_layer else next(made) for line in history),
        *made,
    ]


def _instruction(subject: Subject, number: int, text: str, layer: int | None, most: int) -> Markup:
    code = element("code", element("bdi", text or "(not recorded)"))
    if layer is None:
        cells = [_cell("", "layer", "layer"), _cell(code, "instruction", "text")]
        empty = [_cell("", "bytes", "number"), _cell("", ""), _cell("no layer", "", "note")]
        return _row(_cell(str(number), "line", "line"), *cells, *empty, class_="silent")
    stack, account = subject.stack, subject.stack.account.layers[layer]
    seen, lost = (
        f"width:{100 * part / most:.3f}%" if most else "width:0"
        for part in (account.visible_bytes, account.hidden_bytes)
    )
    colour = subject.colours[layer]
    parts = (
        element("i", class_=colour, style=seen) if account.visible_bytes else NOTHING,
        element("i", class_=f"{colour} hatched", style=lost) if account.hidden_bytes else NOTHING,
    )
    bar = element("div", *parts, class_="bar", aria_hidden="true") if account.bytes else NOTHING
    return _row(
        _cell(str(number), "line", "line"),
        _cell(_swatch(subject, layer), "layer", "layer"),
        _cell(code, "instruction", "text"),
        _cell(amount(account.bytes), "bytes", "number"),
        _cell(bar, "", "drawn"),
        _cell(_became(subject, layer), "what became of it", "note"),
        id=subject.anchor(layer),
        tabindex="-1",
        data_layer=layer,
        data_visible=account.visible_bytes,
        data_hidden=account.hidden_bytes,
        title=f"diff_id {account.diff_id}" if stack.label(layer) != OWN else None,
    )


def _became(subject: Subject, layer: int) -> Markup:
    """All that is to be known of a layer besides its size."""
    base, other = subject.stack.base, subject.shared.get(layer)
    hidden = subject.stack.account.layers[layer].hidden_bytes
    lost = joined(amount(hidden), f" hidden: {subject.fates[layer]}") if hidden else NOTHING
    notes = [
        f"base {base.name}" if base and layer < base.layers else "",
        f"the other image's layer {other}" if other else "",
        element("span", lost, class_="lost") if lost else NOTHING,
        subject.deeds[layer],
    ]
    return joined(*(element("div", note) for note in notes if note))


def _files(number: int) -> Markup:
    """So many files; the noun is for where the heads of the columns do not stand above."""
    noun = element("span", count(number, " file").lstrip("0123456789,"), class_="unit")
    return _cell(joined(element("data", f"{number:,}", value=number), noun), "files", "number")


def _swatch(subject: Subject, layer: int) -> Markup:
    label = subject.stack.label(layer)
    return element("span", label, class_=f"swatch {subject.colours[layer]}", data_layer=layer)


def _table(
    name: str,
    heads: Sequence[str],
    rows: Sequence[Markup],
    *,
    kind: str,
    right: Collection[int],
    foot: Markup = NOTHING,
) -> Markup:
    """A table that stays one for who cannot see it, however the style lays it out."""
    head = [
        element("th", text, scope="col", role="columnheader", class_="number" * (at in right))
        for at, text in enumerate(heads)
    ]
    return element(
        "table",
        element("caption", name),
        element("thead", element("tr", *head, role="row"), role="rowgroup"),
        element("tbody", *rows, role="rowgroup"),
        element("tfoot", foot, role="rowgroup") if foot else NOTHING,
        class_=kind,
        role="table",
    )


def _row(*cells: Markup, **attributes: Attribute) -> Markup:
    return element("tr", *cells, role="row", **attributes)


def _cell(content: str, label: str, kind: str = "") -> Markup:
    return element("td", content, role="cell", class_=kind or None, data_label=label or None)
