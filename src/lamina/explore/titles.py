"""The lines that say what is on the screen: above it, above the tree, below it.  Pure."""

from __future__ import annotations

from lamina.explain.stack import Stack
from lamina.explore.details import Line, Tone, Word
from lamina.explore.keys import FOOTER
from lamina.explore.model import Explorer
from lamina.explore.tree import Node
from lamina.report.account import summed
from lamina.report.paper import Meaning
from lamina.text import prose_size

_TONES: dict[Meaning, Tone] = {"": "", "visible": "added", "hidden": "hidden"}


def headline(stack: Stack) -> Line:
    """The name of an image and its sums."""
    name = [Word(stack.name, "head"), Word("   ")]
    return [*name, *(Word(text, _TONES[meaning]) for text, meaning in summed(stack.account))]


def tree_title(explorer: Explorer) -> Line:
    """Whose tree it is, and its sums."""
    span, stack = explorer.span, explorer.stack
    if explorer.layer is None:
        what = "the container" if stack.is_container else "the image"
    elif span.single:
        what = f"layer {stack.label(span.last)}, its changes"
    else:
        what = f"up to layer {stack.label(span.last)}, all changes"
    words = [Word(what, "head"), Word(f"  {prose_size(explorer.tree.size)}")]
    if explorer.tree.hidden:
        words.append(Word(f"  {prose_size(explorer.tree.hidden)} hidden", "hidden"))
    return words


def tree_subtitle(explorer: Explorer) -> Line:
    """How it is looked at, where that is not as at the start."""
    parts = []
    if explorer.sort.value != "name":
        parts.append(f"by {explorer.sort.value}")
    if explorer.without:
        parts.append("without " + ", ".join(sorted(each.value for each in explorer.without)))
    if explorer.pattern:
        parts.append(f"only {explorer.pattern}")
    return [Word("; ".join(parts), "dim")]


def preview_title(explorer: Explorer, node: Node, shown: int, size: int) -> Line:
    """Which file it is, and how many of its bytes are shown."""
    label = explorer.stack.label(node.layer)
    part = f", the first {prose_size(shown)}" if shown < size else ""
    return [Word(f"/{node.path}", "head"), Word(f"  {prose_size(size)}{part}, from layer {label}")]


def reminder() -> Line:
    """The most useful keys."""
    words: list[Word] = []
    for key, what in FOOTER:
        words += [Word(key, "head"), Word(f" {what}   ", "dim")]
    return words
