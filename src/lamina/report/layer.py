"""The report of one layer, or of those that an instruction made.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.explain.findings import Finding
from lamina.explain.stack import Stack
from lamina.explain.waste import Account
from lamina.layer.entry import Entry
from lamina.layer.union import Hidden
from lamina.report.account import finding_json, finding_table, layer_json, summed
from lamina.report.paper import Cell, Paper
from lamina.report.words import DONE
from lamina.text import prose_size


def as_text(stack: Stack, layers: Sequence[int], paper: Paper, *, limit: int) -> str:
    """For each layer what it ships, what became of that, and what it hides of those below."""
    found = stack.findings
    return "\n".join(_block(stack, layer, found, paper, limit) for layer in layers)


def _block(stack: Stack, layer: int, found: Sequence[Finding], paper: Paper, limit: int) -> str:
    account, origin = stack.account.layers[layer], stack.origins[layer]
    files = layer_files(stack.account, layer)
    sums = summed(account) if files else [Cell("ships no bytes")]
    head = paper.write(Cell(f"layer {origin.label} of {stack.name}", "head"), Cell("   "), *sums)
    what = origin.instruction or str(account.diff_id)
    parts = [f"{head}\n{paper.write(Cell('   ' + what))}\n"]
    if files:
        parts.append(_ships(stack, files, paper, limit))
    if hides := [each for each in found if each.hidden_by == layer and each.layer != layer]:
        size = prose_size(sum(each.bytes for each in hides))
        title = paper.write(Cell(f"   it hides {size} of the layers below:", "head"))
        parts.append(f"{title}\n{finding_table(stack, hides, paper, limit=limit)}")
    return "\n".join(parts)


def _ships(
    stack: Stack, files: Sequence[tuple[Entry, Hidden | None]], paper: Paper, limit: int
) -> str:
    rows = [
        [Cell(prose_size(entry.size)), Cell(f"/{entry.path}"), _fate(stack, hidden)]
        for entry, hidden in files[:limit]
    ]
    text = paper.grid(rows, right={0}, stretch=1)
    if rest := files[limit:]:
        size = prose_size(sum(entry.size for entry, _ in rest))
        text += f"   and {len(rest)} smaller, {size}   (--limit {len(files)} shows all)\n"
    return text


def _fate(stack: Stack, hidden: Hidden | None) -> Cell:
    if hidden is None:
        return Cell("visible", "visible")
    by = f"{DONE[hidden.cause]} by layer {stack.label(hidden.hidden_by)}"
    return Cell(by if hidden.at == hidden.entry.path else f"{by} (/{hidden.at})", "hidden")


def as_json(stack: Stack, layer: int) -> dict[str, Any]:
    """A layer with its sums, all its files, and what it hides of the layers below."""
    document = layer_json(stack, stack.origins[layer], stack.account.layers[layer])
    document["files"] = [
        {
            "path": "/" + entry.path,
            "bytes": entry.size,
            "visible": hidden is None,
            "cause": hidden.cause.value if hidden else None,
            "hidden_by": stack.label(hidden.hidden_by) if hidden else None,
            "at": f"/{hidden.at}" if hidden else None,
        }
        for entry, hidden in layer_files(stack.account, layer)
    ]
    document["findings"] = [
        finding_json(stack, each)
        for each in stack.findings
        if each.hidden_by == layer and each.layer != layer
    ]
    return document


def layer_files(account: Account, layer: int) -> list[tuple[Entry, Hidden | None]]:
    """Every file content in a layer, the largest first, and how it came to be hidden."""
    hidden = {id(each.entry): each for each in account.hidden if each.layer == layer}
    files = [
        (entry, hidden.get(id(entry))) for entry in account.listings[layer].entries if entry.size
    ]
    return sorted(files, key=lambda file: (-file[0].size, file[0].path))
