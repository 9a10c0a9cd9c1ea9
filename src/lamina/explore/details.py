"""What there is to say of a file, a layer or the whole image, as paragraphs of words.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from lamina.explain.findings import Finding
from lamina.explore.cause import taken_by
from lamina.explore.model import Explorer
from lamina.explore.tree import Node, State
from lamina.layer.entry import Kind
from lamina.report.words import DONE, NOUNS
from lamina.text import prose_size

Tone = Literal["", "head", "dim", "added", "changed", "deleted", "hidden"]
"""What a word means; the explorer gives each a colour."""


class Word(NamedTuple):
    """A piece of a line, as its author wrote it."""

    text: str
    tone: Tone = ""


Line = Sequence[Word]

_MOST = 6
"""Findings of an image that are told, and lines on what is hidden in a directory."""

_LONGEST = 8000
"""Characters of an instruction that are told."""


def of_image(explorer: Explorer) -> list[Line]:
    """The sums of a whole image, and what hides most."""
    stack, account = explorer.stack, explorer.stack.account
    lines: list[Line] = [
        [Word(stack.name, "head")],
        [Word(stack.identity, "dim")],
        [],
        [Word("ships    "), Word(prose_size(account.bytes))],
        [Word("visible  "), Word(prose_size(account.visible_bytes), "added")],
        [Word("hidden   "), Word(_share(account.hidden_bytes, account.bytes), "hidden")],
    ]
    if stack.base:
        noun = "image" if stack.is_container else "base"
        lines.append([Word(f"{noun:<9}"), Word(stack.base.name)])
    return [*lines, *_largest(explorer, explorer.stack.findings)]


def of_layer(explorer: Explorer, place: int) -> list[Line]:
    """One layer: what made it, what it ships, what of that is hidden, what it hides."""
    stack = explorer.stack
    origin, layer = stack.origins[place], stack.account.layers[place]
    lines: list[Line] = [
        [Word(_layer(explorer, place), "head")],
        [Word(_clipped(origin.instruction) or "(nothing is known of what made it)")],
        [],
        [Word("ships    "), Word(prose_size(layer.bytes))],
        [Word("visible  "), Word(prose_size(layer.visible_bytes), "added")],
        [Word("hidden   "), Word(_share(layer.hidden_bytes, layer.bytes), "hidden")],
    ]
    for by, size in sorted(layer.hidden_by.items(), key=_largest_first):
        lines.append([Word("  by     "), Word(f"{_layer(explorer, by)}: {prose_size(size)}")])
    for other, size in sorted(layer.hides.items(), key=_largest_first):
        if other != place:
            lines.append(
                [Word("hides    "), Word(f"{prose_size(size)} of {_layer(explorer, other)}")]
            )
    if origin.created:
        lines.append([Word("created  "), Word(origin.created[:19].replace("T", " "), "dim")])
    if not (stack.is_container and place == len(stack) - 1):
        lines += [[], [Word(str(layer.diff_id), "dim")]]
    return lines


def of_node(explorer: Explorer, node: Node) -> list[Line]:
    """What is or was at a path, who ships it, and what became of it."""
    entry = node.entry
    file = explorer.stack.union.file_of(entry) or entry
    owner = ":".join("root" if each == 0 else str(each) for each in (file.uid, file.gid))
    lines: list[Line] = [
        [Word("/" + node.path, "head")],
        [Word(f"{noun(node)} {prose_size(node.size)}  {file.mode:04o} {owner}")],
    ]
    if entry.kind is Kind.SYMLINK:
        lines[1:] = [[Word(f"link to {entry.link}")], [Word(f"{entry.mode:04o} {owner}")]]
    elif entry.kind is Kind.HARDLINK:
        lines.append([Word(f"the same file as /{entry.link}")])
    elif entry.kind in (Kind.CHAR, Kind.BLOCK):
        lines.append([Word("device {}:{}".format(*entry.device))])
    if file.mtime:
        lines.append([Word(_time(file.mtime), "dim")])
    lines += [[], *_story(explorer, node)]
    if file.kind is Kind.FILE and file.sha256:
        lines += [[], [Word(f"sha256:{file.sha256.hex()}", "dim")]]
    return lines


def noun(node: Node) -> str:
    """What a node is, in a word."""
    return NOUNS[node.entry.kind]


def _story(explorer: Explorer, node: Node) -> Iterator[Line]:
    """Who shipped what is at a node, and who hid it."""
    yield [Word(f"{_verb(node)} by {_layer(explorer, node.layer)}", _TONES[node.state])]
    yield _instruction(explorer, node.layer)
    told = list(_losses(explorer, node))
    if node.state is State.DELETED and not told:
        taker = taken_by(explorer.timeline, node)
        yield [Word(f"deleted by {_layer(explorer, taker)}", "deleted")]
        yield _instruction(explorer, taker)
    for _, text, by in sorted(told, key=lambda each: -each[0])[:_MOST]:
        yield [Word(text, "hidden")]
        yield _instruction(explorer, by)


def _losses(explorer: Explorer, node: Node) -> Iterator[tuple[int, str, int]]:
    """Bytes at a node that layers up to the one looked at ship and nobody sees: how many, what
    became of them, and by whom."""
    last = explorer.span.last
    for each in explorer.timeline.hidden(node.path):
        if each.layer <= last:
            at = f" with /{each.at}" if each.at != node.path else ""
            done = f"{DONE[each.cause]} by {_layer(explorer, each.hidden_by)}{at}"
            text = f"{prose_size(each.size)} of {_layer(explorer, each.layer)} {done}"
            yield each.size, text, each.hidden_by
    folder = explorer.timeline.folders.get(node.path)
    for (layer, by), size in folder.wasted.items() if folder else ():
        if layer <= last and size:
            inside = f"{prose_size(size)} in it, of {_layer(explorer, layer)},"
            yield size, f"{inside} hidden by {_layer(explorer, by)}", by


def _instruction(explorer: Explorer, layer: int) -> Line:
    return [Word("  " + _clipped(explorer.stack.origins[layer].instruction))]


def _clipped(instruction: str) -> str:
    """One of a length that somebody reads: images may have megabytes there."""
    return instruction if len(instruction) <= _LONGEST else instruction[:_LONGEST] + " ..."


_TONES: dict[State, Tone] = {
    State.ADDED: "added",
    State.CHANGED: "changed",
    State.DELETED: "deleted",
    State.UNMODIFIED: "",
}


def _verb(node: Node) -> str:
    if node.state is State.CHANGED and not node.is_directory:
        return "written anew"
    return "shipped"


def _largest(explorer: Explorer, found: Sequence[Finding]) -> list[Line]:
    if not found:
        return []
    lines: list[Line] = [[], [Word("most of it:")]]
    for each in found[:_MOST]:
        by = "" if each.hidden_by == each.layer else f", hidden by {_label(explorer, each)}"
        lines.append(
            [
                Word(f"{prose_size(each.bytes):>9}  ", "hidden"),
                Word(each.path),
                Word(f"  shipped by {explorer.stack.label(each.layer)}{by}", "dim"),
            ]
        )
    if found[_MOST:]:
        rest = sum(each.bytes for each in found[_MOST:])
        lines.append([Word(f"{prose_size(rest):>9}  ", "hidden"), Word("more", "dim")])
    return lines


def _label(explorer: Explorer, found: Finding) -> str:
    return explorer.stack.label(found.hidden_by)


def _layer(explorer: Explorer, place: int) -> str:
    label = explorer.stack.label(place)
    is_own = explorer.stack.is_container and place == len(explorer.stack) - 1
    return "the container" if is_own else f"layer {label}"


def _share(part: int, whole: int) -> str:
    return f"{prose_size(part)} ({100 * part / whole:.1f} %)" if part else "nothing"


def _largest_first(item: tuple[int, int]) -> tuple[int, int]:
    return -item[1], item[0]


def _time(mtime: int) -> str:
    try:
        moment = datetime.fromtimestamp(mtime // 10**9, UTC)
    except (ValueError, OverflowError, OSError):
        return f"changed {mtime // 10**9} seconds after 1970"
    return f"changed {moment:%Y-%m-%d %H:%M:%S} UTC"
