"""What can be seen in an image, and is probably not wanted there.  Pure.

This is advice and never waste: every byte of it is visible, somebody may need it, and no
sum of hidden bytes has it.  docs/waste.md says what belongs to which kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec
from msgspec import structs

from lamina.explain.stack import Stack
from lamina.explain.unwanted import (
    CORES,
    DUPLICATES,
    KEPT_NAMES,
    KINDS,
    NAMES,
    PATHS,
    SUFFIXES,
    TAILS,
    Unwanted,
)
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union

SMALLEST_DUPLICATE = 4096
"""Bytes: a smaller file takes a block of its own anyhow."""
_HARDLINK = Kind.HARDLINK
_EXAMPLES = 10
_NONE = -1
_NO_TWINS: Mapping[int, str] = {}
_Kinds = dict[str, int]
"""The kinds of directories, as far as they are known, as places in KINDS; or _NONE."""
_TELLING = (*(f".{suffix}" for suffix in SUFFIXES), "/core")
"""The ends of a path that may say its kind."""
_CORE_NUMBER = "core."
_CORE = "core"
_SMALLEST_CORE = 1 << 20
"""Bytes: a smaller file called `core` is something else."""


class Example(msgspec.Struct, frozen=True):
    """One of the files."""

    path: str
    bytes: int
    layer: int
    twin: str = ""
    """Of a duplicate: the copy that counts as the first."""


class Advice(msgspec.Struct, frozen=True):
    """Files of one kind that an image can mostly do without."""

    kind: str
    """A word that stays the same: `apt-lists`, `duplicates`."""
    what: str
    """What they are."""
    instead: str
    """How not to ship them."""
    files: int
    bytes: int
    """Each content once; of duplicates all copies but one."""
    layers: Mapping[int, int]
    """Layer → bytes."""
    examples: Sequence[Example]
    """The largest, at most ten."""


def advise(stack: Stack) -> list[Advice]:
    """Everything visible that is of a kind in `unwanted`, the most bytes first.

    A content counts once, under one kind; one that has a name of another kind as well counts
    for none, because removing the one name would leave the other.
    """
    union = stack.union
    hidden = {id(each.entry) for each in union.hidden}
    kinds: _Kinds = {"": _NONE}
    names: dict[int, str] = {}
    found: list[dict[int, list[Entry]]] = [{} for _ in (*KINDS, None)]
    for layer, listing in enumerate(stack.listings):
        visible = [each for each in listing.entries if each.size and id(each) not in hidden]
        links = _links(listing, union)
        linked = [entry for entry in visible if id(entry) in links] if links else []
        single = [entry for entry in visible if id(entry) not in links] if links else visible
        judged = _judge(single, kinds)
        for entry in linked:
            names[id(entry)], kind = _of_all(entry, links[id(entry)], union, kinds)
            judged[kind].append(entry)
        for files, more in zip(found, judged, strict=True):
            if more:
                files[layer] = more
    advice = [_advice(kind, found[at], names) for at, kind in enumerate(KINDS) if found[at]]
    copies, twins = _duplicates(found[_NONE], names)
    if copies:
        advice.append(_advice(DUPLICATES, copies, names, twins))
    return sorted(advice, key=lambda each: -each.bytes)


def _judge(files: Sequence[Entry], kinds: _Kinds) -> list[list[Entry]]:
    """Files of one name, by kind.  Written out, not in calls: there may be 100,000 of them."""
    judged: list[list[Entry]] = [[] for _ in (*KINDS, None)]
    for entry in files:
        path = entry.path
        at = path.rfind("/")
        parent = path[:at] if at > 0 else ""
        kind = kinds[parent] if parent in kinds else _kind_of_directory(parent, kinds)
        if kind == _NONE:
            if path.endswith(_TELLING) or _CORE_NUMBER in path or path == _CORE:
                kind = _kind_of_name(path[at + 1 :], entry.size)
        elif path.endswith(KEPT_NAMES):
            kind = _NONE
        judged[kind].append(entry)
    return judged


def _advice(
    kind: Unwanted,
    files: Mapping[int, Sequence[Entry]],
    names: Mapping[int, str],
    twins: Mapping[int, str] = _NO_TWINS,
) -> Advice:
    sizes = {layer: [entry.size for entry in each] for layer, each in files.items()}
    # Names are compared only where sizes do not decide.
    every = sorted(chain.from_iterable(sizes.values()))
    floor = every[-_EXAMPLES:][0]
    largest = sorted(
        (-entry.size, names.get(id(entry), entry.path), layer, twins.get(id(entry), ""))
        for layer, each in files.items()
        for entry in each
        if entry.size >= floor
    )
    return Advice(
        kind.kind,
        kind.what,
        kind.instead,
        len(every),
        sum(every),
        {layer: sum(each) for layer, each in sizes.items()},
        [Example(path, -size, layer, twin) for size, path, layer, twin in largest[:_EXAMPLES]],
    )


def _duplicates(
    files: Mapping[int, Sequence[Entry]], names: Mapping[int, str]
) -> tuple[dict[int, list[Entry]], dict[int, str]]:
    """Every file of no kind whose content an earlier one has as well, and by id() that one."""
    first: dict[bytes, Entry] = {}
    copies: dict[int, list[Entry]] = {}
    twins: dict[int, str] = {}
    for layer, each in files.items():
        for entry in [entry for entry in each if entry.size >= SMALLEST_DUPLICATE]:
            twin = first.setdefault(entry.sha256, entry) if entry.sha256 else entry
            if twin is not entry:
                copies.setdefault(layer, []).append(entry)
                twins[id(entry)] = names.get(id(twin), twin.path)
    return copies, twins


def _links(listing: Listing, union: Union) -> dict[int, list[str]]:
    """By id() of a file: its further names that can be seen."""
    names: dict[int, list[str]] = {}
    for entry in [entry for entry in listing.entries if entry.kind is _HARDLINK]:
        seen, content = union.get(entry.path), union.content(entry.path)
        if seen is not None and seen.entry is entry and content is not None:
            names.setdefault(id(content.entry), []).append(entry.path)
    return names


def _of_all(entry: Entry, links: list[str], union: Union, kinds: _Kinds) -> tuple[str, int]:
    """The first name of a file that can be seen, and the kind that all of them have."""
    own = union.get(entry.path)
    names = [entry.path, *links] if own is not None and own.entry is entry else links
    alias = [structs.replace(entry, path=name) for name in names]
    found = {kind for kind, each in enumerate(_judge(alias, kinds)) if each}
    return names[0], found.pop() if len(found) == 1 else len(KINDS)


def _kind_of_name(name: str, size: int) -> int:
    stem, _, suffix = name.rpartition(".")
    if (name == _CORE or (stem == _CORE and suffix.isdecimal())) and size >= _SMALLEST_CORE:
        return CORES
    return SUFFIXES.get(suffix, _NONE) if stem else _NONE


def _kind_of_directory(path: str, kinds: _Kinds) -> int:
    """The kind of a directory, or of the highest above it that has one; `kinds` learns it."""
    unknown = []
    while path not in kinds:
        unknown.append(path)
        path = path.rpartition("/")[0]
    kind = kinds[path]
    for each in reversed(unknown):
        if kind == _NONE:
            above, _, name = each.rpartition("/")
            tail = f"{above.rpartition('/')[2]}/{name}"
            kind = PATHS.get(each, TAILS.get(tail, NAMES.get(name, _NONE)))
        kinds[each] = kind
    return kind
