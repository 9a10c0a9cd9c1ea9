"""How advice is told: a block under the report of an image, and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.explain.advice import Advice
from lamina.explain.stack import Stack
from lamina.report.paper import Cell, Paper
from lamina.text import prose_size


def as_text(stack: Stack, advice: Sequence[Advice], paper: Paper, *, limit: int) -> str:
    """The largest kinds, one in a line with its largest file, and what to do about the first."""
    if not advice or not limit:
        return ""
    total = prose_size(sum(each.bytes for each in advice))
    head = paper.prose(f"visible, but probably not wanted: {total}", "head")
    head += paper.prose("advice: no part of what is hidden")
    rows = [
        [
            Cell(each.kind, "deleted"),
            Cell(prose_size(each.bytes)),
            Cell(files(each.files)),
            Cell(_example(each)),
            Cell(_layers(stack, each)),
        ]
        for each in advice[:limit]
    ]
    if rest := advice[limit:]:
        size = prose_size(sum(each.bytes for each in rest))
        count = Cell(files(sum(each.files for each in rest)))
        kinds = ", ".join(each.kind for each in rest)
        rows.append([Cell("and more"), Cell(size), count, Cell(kinds), Cell("")])
    first = advice[0]
    cure = paper.prose(f"instead of {first.kind}: {first.instead}")
    return f"{head}\n{paper.grid(rows, right={1, 2}, stretch=3)}{cure}"


def files(count: int) -> str:
    """So many files, in words."""
    return f"{count} file" if count == 1 else f"{count} files"


def _example(advice: Advice) -> str:
    """The largest file, and where it is again."""
    first = advice.examples[0]
    return f"/{first.path} = /{first.twin}" if first.twin else f"/{first.path}"


def _layers(stack: Stack, advice: Advice) -> str:
    labels = [stack.label(layer) for layer in advice.layers]
    if len(labels) > 3:
        return f"{len(labels)} layers"
    return f"layer{'s' if len(labels) > 1 else ''} {', '.join(labels)}"


def as_json(stack: Stack, advice: Sequence[Advice]) -> list[dict[str, Any]]:
    """Every kind, with its largest files."""
    return [
        {
            "kind": each.kind,
            "what": each.what,
            "instead": each.instead,
            "files": each.files,
            "bytes": each.bytes,
            "layers": {stack.label(layer): size for layer, size in each.layers.items()},
            "examples": [
                {
                    "path": f"/{example.path}",
                    "bytes": example.bytes,
                    "layer": stack.label(example.layer),
                    "same_as": f"/{example.twin}" if example.twin else None,
                }
                for example in each.examples
            ],
        }
        for each in advice
    ]
