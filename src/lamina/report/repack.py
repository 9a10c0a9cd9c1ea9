"""How a repacked image is told: layer by layer, what is saved, what stays and why.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lamina.explain.stack import Stack
from lamina.repack.plan import Kept, Made, Plan
from lamina.repack.proof import Proof
from lamina.repack.sharing import Sharer
from lamina.report.paper import Cell, Meaning, Paper
from lamina.text import prose_size


class Telling(msgspec.Struct, frozen=True):
    """All that is known of a repacked image, or of one that could be."""

    stack: Stack
    """The old image."""
    plan: Plan
    sharers: Mapping[int, Sharer]
    new: str = ""
    """What the new image is called; empty as long as there is none."""
    image_id: str = ""
    proof: Proof | None = None

    @property
    def before(self) -> int:
        """Bytes of content in the old image's layers."""
        return self.stack.account.bytes

    @property
    def after(self) -> int:
        """Bytes of content in the new one's."""
        return self.before - self.plan.saved

    @property
    def left(self) -> int:
        """Hidden bytes that the new image still has: those of layers that stay."""
        return self.stack.account.hidden_bytes - self.plan.saved


def as_text(telling: Telling, paper: Paper) -> str:
    """The sum, the layers from the top, what is left, and the proof."""
    parts = [_headline(telling, paper)]
    if telling.plan.changes:
        parts.append(_layers(telling, paper))
    if told := _left(telling, paper):
        parts.append(told)
    if (proof := telling.proof) is not None and telling.plan.changes:
        same = "by type, mode, owner, mtime, xattrs, links and content"
        parts.append(
            paper.prose(f"proved: both show the same {proof.paths:,} paths, {same}", "visible")
            + paper.prose(f"tree {proof.tree}")
        )
    return "\n".join(parts)


def _headline(telling: Telling, paper: Paper) -> str:
    plan, name = telling.plan, telling.stack.name
    if not plan.changes:
        why = "nothing is hidden in it" if not telling.left else "what is hidden stays"
        new = f": {telling.new} is the same image" if telling.new else ""
        return paper.write(Cell(name, "head"), Cell(f"   {why}{new}")) + "\n"
    verb = "" if telling.new else "would be "
    arrow = f" → {telling.new}" if telling.new else ""
    cells = [
        Cell(name + arrow, "head"),
        Cell(f"   {prose_size(telling.before)} → {verb}"),
        Cell(prose_size(telling.after), "visible"),
    ]
    if plan.saved:
        share = 100 * plan.saved / telling.before
        cells += [Cell(": "), Cell(f"{prose_size(plan.saved)} less", "hidden")]
        cells += [Cell(f" ({share:.1f} %)")]
    return paper.write(*cells) + "\n"


def _layers(telling: Telling, paper: Paper) -> str:
    rows = [[Cell(text, "head") for text in ("layer", "before", "after", "", "instruction")]]
    base = telling.stack.base.layers if telling.stack.base else 0
    kept: list[int] = []
    for layer in reversed(telling.plan.fates):
        if isinstance(layer, Kept):
            if layer.layer < base and layer.layer not in telling.sharers:
                kept.insert(0, layer.layer)
            else:
                rows.append(_kept(telling, [layer.layer]))
        else:
            rows.append(_made(telling, layer))
    if kept:
        rows.append(_kept(telling, kept))
    return paper.grid(rows, right={1, 2}, stretch=4)


def _kept(telling: Telling, layers: list[int]) -> list[Cell]:
    stack = telling.stack
    size = prose_size(sum(stack.account.layers[layer].bytes for layer in layers))
    what = stack.origins[layers[0]].instruction
    if stack.base is not None and layers[-1] < stack.base.layers:
        what = f"base {stack.base.name}"
    return _line(stack, layers[0], layers[-1], size, size, "as it is", what, "base")


def _made(telling: Telling, made: Made) -> list[Cell]:
    stack = telling.stack
    first, last = made.span
    word = "made anew" if first == last else "made one"
    if not made.entries:
        word = "not needed"
    what = "; ".join(stack.origins[layer].instruction for layer in range(first, last + 1))
    sizes = prose_size(made.before), prose_size(made.bytes)
    return _line(stack, first, last, *sizes, word, what)


def _line(
    stack: Stack,
    first: int,
    last: int,
    before: str,
    after: str,
    word: str,
    what: str,
    meaning: Meaning = "",
) -> list[Cell]:
    label = stack.label(first) if first == last else f"{stack.label(first)}–{stack.label(last)}"
    return [Cell(text, meaning) for text in (label, before, after, word, what)]


def _left(telling: Telling, paper: Paper) -> str:
    """Why hidden bytes are left, a sentence for each layer that has some."""
    account = telling.stack.account
    told = ""
    for layer, sharer in sorted(telling.sharers.items()):
        if not any(isinstance(each, Kept) and each.layer == layer for each in telling.plan.layers):
            continue
        hidden = account.layers[layer].hidden_bytes
        why = f"which is base {sharer.name}'s: that is to be slimmed first"
        if sharer.shown:
            why = f"which {sharer.name} has, too, and shows {prose_size(sharer.shown)} of them"
        told += paper.prose(
            f"{prose_size(hidden)} stay hidden in layer {telling.stack.label(layer)}, {why}"
        )
    if told:
        told += paper.prose("--flatten takes them out too, for an image that shares nothing")
    return told


def as_json(telling: Telling) -> dict[str, Any]:
    """The same as a JSON document; layers by their labels, the lowest first."""
    stack, plan = telling.stack, telling.plan
    return {
        "image": stack.name,
        "id": stack.identity,
        "new": telling.new or None,
        "new_id": telling.image_id or None,
        "bytes": telling.before,
        "new_bytes": telling.after,
        "saved_bytes": plan.saved,
        "hidden_bytes_left": telling.left,
        "layers": [_layer_json(telling, each) for each in plan.fates],
        "proof": {"tree": str(telling.proof.tree), "paths": telling.proof.paths}
        if telling.proof
        else None,
    }


def _layer_json(telling: Telling, layer: Kept | Made) -> dict[str, Any]:
    stack = telling.stack
    if isinstance(layer, Kept):
        sharer = telling.sharers.get(layer.layer)
        size = stack.account.layers[layer.layer].bytes
        return {
            "layers": [stack.label(layer.layer)],
            "done": "kept",
            "bytes": size,
            "new_bytes": size,
            "shared_with": sharer.name if sharer else None,
        }
    labels = [stack.label(each) for each in range(layer.span.first, layer.span.last + 1)]
    return {
        "layers": labels,
        "done": "made" if layer.entries else "dropped",
        "bytes": layer.before,
        "new_bytes": layer.bytes,
        "shared_with": None,
    }
