"""Which layer gave which entry of a directory, and what lower layers had there.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Cause, Hidden, Union, implicit_directory


class Gone(msgspec.Struct, frozen=True):
    """How an entry came to be hidden."""

    cause: Cause
    hidden_by: int
    at: str
    """What that was done to: the entry, or a directory above it."""


class Member(msgspec.Struct, frozen=True):
    """One entry of a directory, or one that a lower layer had."""

    name: str
    entry: Entry
    """Of a directory that no entry makes, one with the usual mode."""
    layer: int
    """Which gave the entry itself, at last."""
    layers: Sequence[int]
    """That layer, and of a directory all that have something seen in it; the lowest first."""
    files: int
    """With content: 1 for a file; in a directory all below it."""
    bytes: int
    """Each content once; of what is gone those that nobody can see under another name."""
    hidden_bytes: int = 0
    """In a directory that can be seen: what cannot."""
    gone: Gone | None = None
    """None when it can be seen."""


def members(union: Union, path: str) -> list[Member]:
    """What is and what was in a directory, by name, what can be seen first."""
    prefix = f"{path}/" if path else ""
    inside: dict[str, int] = {}
    lost = _lost(union, prefix, inside)
    seen = [_seen(union, name, prefix + name, inside) for name in union.children(path)]
    return sorted([*seen, *lost], key=lambda each: (each.name, each.gone is not None, -each.layer))


def _seen(union: Union, name: str, path: str, inside: dict[str, int]) -> Member:
    located = union.get(path)
    assert located is not None, "a directory has what its children are"
    layers, contents = {located.layer}, dict[int, int]()
    below = [path, *(each.entry.path for each in union.walk(path))]
    for each in below:
        found, content = union.get(each), union.content(each)
        if found is not None:
            layers.add(found.layer)
        if content is not None:
            contents[id(content.entry)] = content.entry.size
    return Member(
        name,
        located.entry,
        located.layer,
        sorted(layers),
        len(contents),
        sum(contents.values()),
        inside.get(name, 0),
    )


def _lost(union: Union, prefix: str, inside: dict[str, int]) -> list[Member]:
    """What the layers had and nobody sees: one for each layer that shipped and stroke that hid.

    The bytes that are hidden in what can be seen are added to `inside`, by name.
    """
    groups: dict[tuple[str, int, int, Cause, str], list[Hidden]] = {}
    contents = {id(each) for each in union.hidden}
    for each in (*union.hidden, *union.covered, *union.parted):
        path = each.entry.path
        if not path.startswith(prefix) or each.cause is Cause.MERGED or path == prefix:
            continue
        name = path[len(prefix) :].partition("/")[0]
        child = prefix + name
        whole = child == each.at or not each.at.startswith(prefix)
        if not whole and union.get(child) is not None:
            if id(each) in contents:
                inside[name] = inside.get(name, 0) + each.size
            continue
        groups.setdefault((name, each.layer, each.hidden_by, each.cause, each.at), []).append(each)
    return [_gone(prefix, *key, group, contents) for key, group in groups.items()]


def _gone(
    prefix: str,
    name: str,
    layer: int,
    by: int,
    cause: Cause,
    at: str,
    group: Sequence[Hidden],
    contents: set[int],
) -> Member:
    path = prefix + name
    own = next((each.entry for each in group if each.entry.path == path), None)
    sizes = [each.size for each in group if id(each) in contents and each.entry.kind is Kind.FILE]
    return Member(
        name,
        own or implicit_directory(path),
        layer,
        [layer],
        len(sizes),
        sum(sizes),
        gone=Gone(cause, by, at),
    )
