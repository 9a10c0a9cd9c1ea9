"""The report of a file's copies, and of what was brought back.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lamina.explain.stack import Stack
from lamina.leaks.recover import Copy
from lamina.report.paper import Cell, Paper
from lamina.report.words import DONE
from lamina.text import prose_size


def list_as_text(stack: Stack, path: str, copies: Sequence[Copy], paper: Paper) -> str:
    """Every copy in a row, the newest first."""
    head = [Cell(text, "head") for text in ("layer", "size", "modified", "sha256", "state", "")]
    head[5] = Cell("instruction", "head")
    rows = [head, *(_row(stack, copy) for copy in copies)]
    title = paper.write(Cell(f"/{path}", "head"), Cell(f" in {stack.name}"))
    return f"{title}\n\n{paper.grid(rows, right={1}, stretch=5)}"


def _row(stack: Stack, copy: Copy) -> list[Cell]:
    content = copy.content
    return [
        Cell(stack.label(copy.layer)),
        Cell(prose_size(content.size)),
        Cell(_moment(content.mtime)),
        Cell(content.sha256.hex()[:12] or "–"),
        Cell(fate(stack, copy) or "visible", "visible" if copy.shown else "deleted"),
        Cell(stack.origins[copy.layer].instruction),
    ]


def list_as_json(stack: Stack, path: str, copies: Sequence[Copy]) -> dict[str, Any]:
    """Every copy, the newest first; sizes in bytes, times in nanoseconds since the epoch."""
    return {
        "container" if stack.is_container else "image": stack.name,
        "path": f"/{path}",
        "copies": [
            {
                "layer": stack.label(copy.layer),
                "instruction": stack.origins[copy.layer].instruction,
                "bytes": copy.content.size,
                "mode": f"{copy.content.mode:04o}",
                "mtime": copy.content.mtime,
                "sha256": copy.content.sha256.hex() or None,
                "visible": copy.shown,
                "cause": copy.cause.value if copy.cause else None,
                "hidden_by": _label(stack, copy.hidden_by),
            }
            for copy in copies
        ],
    }


def recovered(stack: Stack, copy: Copy, paper: Paper) -> str:
    """One line: what was brought back, and where it lay."""
    told = fate(stack, copy)
    if copy.shown:
        told = "not deleted: lamina cat shows it as well"
    return paper.write(
        Cell(f"/{copy.path}", "head"),
        Cell(f"   {prose_size(copy.content.size)} from {_origin(stack, copy.layer)}"),
        Cell(f"   {told}", "visible" if copy.shown else "deleted"),
    )


def recovered_tree(stack: Stack, path: str, copies: Sequence[Copy], size: int, paper: Paper) -> str:
    """One line: how much was brought back, and from which layers."""
    layers = sorted({copy.layer for copy in copies})
    labels = ", ".join(stack.label(layer) for layer in layers)
    files = f"{len(copies)} hidden file{'s' * (len(copies) > 1)}"
    return paper.write(
        Cell(f"/{path}", "head"),
        Cell(f"   {files}, {prose_size(size)}, from layer{'s' * (len(layers) > 1)} {labels}"),
    )


def fate(stack: Stack, copy: Copy) -> str:
    """What became of a copy: `deleted by layer 4`; empty when it is seen."""
    if copy.shown:
        return ""
    done = DONE[copy.cause] if copy.cause else "hidden"
    return f"{done} by layer {_label(stack, copy.hidden_by) or '?'}"


def _label(stack: Stack, layer: int | None) -> str | None:
    return None if layer is None else stack.label(layer)


def _origin(stack: Stack, layer: int) -> str:
    instruction = stack.origins[layer].instruction
    label = f"layer {stack.label(layer)}"
    return f"{label} ({instruction})" if instruction else label


def _moment(mtime: int) -> str:
    try:
        return f"{datetime.fromtimestamp(mtime // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "–"
