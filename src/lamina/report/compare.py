"""The report of how two images differ: what matters first, for people.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lamina.explain.compare import Change, Comparison, Gathered, PackageChange, Verdict, gather
from lamina.explain.difference import Aspect
from lamina.explain.owners import Owners
from lamina.explain.settings import SettingChange
from lamina.explain.stack import Stack
from lamina.layer.entry import Kind
from lamina.report.directory import count
from lamina.report.metadata import changes_text
from lamina.report.paper import Cell, Meaning, Paper
from lamina.report.words import NOUNS
from lamina.text import prose_size, to_json

_SIGNS: dict[Verdict, tuple[str, Meaning]] = {
    "added": ("+", "visible"),
    "removed": ("−", "hidden"),
    "changed": ("~", "deleted"),
}
_PATH = 40
"""Columns of a path that are told on the narrowest terminal."""


class Pair(msgspec.Struct, frozen=True):
    """The two that are compared, and how they differ."""

    old: Stack
    new: Stack
    found: Comparison


def as_text(pair: Pair, paper: Paper, *, limit: int) -> str:
    """The report for people; `limit` is how many files and packages are told."""
    old, new, found = pair.old, pair.new, pair.found
    if old.identity == new.identity:
        return f"{paper.write(Cell(old.name), Cell(' and '), Cell(new.name))} are one image\n"
    same = found.is_empty
    if same and not found.old_layers and not found.new_layers:
        names = paper.write(Cell(old.name), Cell(" and "), Cell(new.name))
        return f"{names} have the same files, packages and settings, in the same layers\n"
    files = gather(found.changes)
    packages = sorted(found.packages, key=lambda each: (-abs(each.growth), each.name))
    parts = [
        paper.write(Cell(f"{old.name} → {new.name}", "head")) + "\n",
        paper.grid(_sums(pair), right={2}, stretch=3),
        _section("layers that only one has", _layers(pair), paper, right={2, 3}, stretch=4),
        _section(
            "files",
            _files(pair, files[:limit], paper.width),
            paper,
            right={1, 2},
            stretch=5,
            more=_more(len(files), limit),
        ),
        _section(
            "packages",
            [_package(each) for each in packages[:limit]],
            paper,
            right={3},
            more=_more(len(packages), limit),
        ),
        _section("settings", _settings(found.settings), paper, stretch=3),
    ]
    parts += [f"   {paper.write(Cell(note))}\n" for note in notes(pair)]
    return "\n".join(part for part in parts if part)


def _section(
    title: str,
    rows: Sequence[Sequence[Cell]],
    paper: Paper,
    *,
    right: Collection[int] = (),
    stretch: int = 2,
    more: str = "",
) -> str:
    if not rows and not more:
        return ""
    table = paper.grid(rows, right=right, stretch=stretch)
    return f"   {paper.write(Cell(title, 'head'))}\n{table}{more}"


def _more(count: int, limit: int) -> str:
    if count <= limit:
        return ""
    return f"   and {count - limit:,} more   (--limit {count} shows all)\n"


def signed(size: int) -> str:
    """`+1.2 MB`, `−3 B`, `0 B`."""
    if not size:
        return "0 B"
    return f"{'+' if size > 0 else '−'}{prose_size(abs(size))}"


def _sums(pair: Pair) -> list[list[Cell]]:
    old, new, found = pair.old.account, pair.new.account, pair.found
    files, packages = _counts(pair)
    told = [
        _told(each.verdict for each in found.changes if not _is_directory(each)),
        _told(each.verdict for each in found.packages),
    ]
    sums = [
        _sum("ships", "", old.bytes, new.bytes),
        _sum("visible", "visible", old.visible_bytes, new.visible_bytes),
        _sum("hidden", "hidden", old.hidden_bytes, new.hidden_bytes),
        _count("files", *files, told[0]),
    ]
    if any(packages):
        sums.append(_count("packages", *packages, told[1]))
    # One cell for both, so that the rest fits on 80 columns.
    wide = [max(len(each.sides[side]) for each in sums) for side in (0, 1)]
    return [
        [
            Cell(each.name, each.meaning),
            Cell(f"{each.sides[0]:>{wide[0]}} → {each.sides[1]:>{wide[1]}}"),
            Cell(each.difference),
            Cell(each.told),
        ]
        for each in sums
    ]


class _Sum(NamedTuple):
    name: str
    meaning: Meaning
    sides: tuple[str, str]
    difference: str
    told: str


def _sum(name: str, meaning: Meaning, old: int, new: int) -> _Sum:
    difference = signed(new - old) if new != old else "the same"
    return _Sum(name, meaning, (prose_size(old), prose_size(new)), difference, "")


def _count(name: str, old: int, new: int, told: str) -> _Sum:
    difference = f"{new - old:+,}".replace("-", "−") if new != old else ""
    return _Sum(name, "", (f"{old:,}", f"{new:,}"), difference if told else "the same", told)


def _counts(pair: Pair) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many files, and how many packages, the old one and the new one have."""
    inventories = pair.found.old_inventory, pair.found.new_inventory
    return (
        (file_count(pair.old), file_count(pair.new)),
        (len(inventories[0].packages), len(inventories[1].packages)),
    )


def _told(verdicts: Iterable[Verdict]) -> str:
    counts = Counter(verdicts)
    return ", ".join(f"{counts[each]:,} {each}" for each in _SIGNS if counts[each])


def file_count(stack: Stack) -> int:
    """Files, links and devices that can be seen."""
    return sum(entry.kind is not Kind.DIRECTORY for _, entry in stack.union.walk())


def _is_directory(change: Change) -> bool:
    return all(node is None or node.is_directory for node in (change.old, change.new))


def _layers(pair: Pair) -> list[list[Cell]]:
    """What each layer that only one has ships: the difference of what they ship, to the byte."""
    rows = []
    for stack, layers, verdict in (
        (pair.new, pair.found.new_layers, "added"),
        (pair.old, pair.found.old_layers, "removed"),
    ):
        sign, meaning = _SIGNS["added" if verdict == "added" else "removed"]
        for layer in reversed(layers):
            account = stack.account.layers[layer]
            hidden = account.hidden_bytes
            rows.append(
                [
                    Cell(sign, meaning),
                    Cell(stack.label(layer)),
                    Cell(prose_size(account.bytes)),
                    Cell(f"{prose_size(hidden)} hidden" if hidden else "", "hidden"),
                    Cell(stack.origins[layer].instruction),
                ]
            )
    return rows


def _files(pair: Pair, gathered: Sequence[Gathered], width: int) -> list[list[Cell]]:
    owners = Owners.of(pair.old), Owners.of(pair.new)
    # Where the new one was made of the old one, its layers know who removed what.
    union = pair.new.union
    removed = {each.at: each.hidden_by for each in (*union.hidden, *union.covered)}
    return [_file(pair, each, owners, removed, width) for each in gathered]


def _file(
    pair: Pair,
    each: Gathered,
    owners: tuple[Owners, Owners],
    removed: Mapping[str, int],
    width: int,
) -> list[Cell]:
    change = each.change
    sign, meaning = _SIGNS[change.verdict]
    is_directory = _is_directory(change)
    layers = list(each.layers)
    if change.new is None and change.path in removed:
        layers = [removed[change.path]]
    path = _short(f"/{change.path}{'/' if is_directory else ''}", max(_PATH, width // 2))
    return [
        Cell(sign, meaning),
        Cell(signed(each.growth)),
        Cell(count(each.files) if is_directory and each.files else ""),
        Cell(f"{path}   {_what(change, *owners)}".rstrip(" ")),
        Cell(", ".join(pair.new.label(layer) for layer in layers[:3]) + ", …" * (len(layers) > 3)),
        Cell(pair.new.origins[layers[0]].instruction if layers else ""),
    ]


def _short(path: str, columns: int) -> str:
    """`path`, its middle left out when it is longer than `columns`."""
    if len(path) <= columns:
        return path
    head = columns // 3
    return f"{path[:head]}…{path[head + 1 - columns :]}"


def _what(change: Change, before: Owners, after: Owners) -> str:
    """`content, mode 0644 → 0600`; `directory → file`."""
    if change.old is None or change.new is None:
        return ""
    old, new = change.old.inode, change.new.inode
    if Aspect.TYPE in change.aspects:
        return f"{NOUNS[old.kind]} → {NOUNS[new.kind]}"
    words = []
    if Aspect.CONTENT in change.aspects:
        words.append("content")
    if Aspect.LINK in change.aspects:
        words.append(f"link {old.link} → {new.link}")
    if Aspect.DEVICE in change.aspects:
        words.append("device")
    if metadata := changes_text(old, new, before, after):
        words.append(metadata)
    if Aspect.MTIME in change.aspects:
        words.append("time")
    return ", ".join(words)


def _package(change: PackageChange) -> list[Cell]:
    sign, meaning = _SIGNS[change.verdict]
    old, new = change.old, change.new
    if old and new and old.version == new.version:
        versions = f"{new.version}   {old.architecture} → {new.architecture}"
    else:
        versions = " → ".join(each.version for each in (old, new) if each)
    return [
        Cell(sign, meaning),
        Cell(change.name),
        Cell(versions),
        Cell(signed(change.growth) if change.growth else ""),
        Cell(change.kind),
    ]


def _settings(changes: Sequence[SettingChange]) -> list[list[Cell]]:
    rows = []
    for each in changes:
        verdict: Verdict = "changed"
        if each.old is None or each.new is None:
            verdict = "added" if each.old is None else "removed"
        sign, meaning = _SIGNS[verdict]
        values = [_value(value) for value in (each.old, each.new) if value is not None]
        rows.append(
            [Cell(sign, meaning), Cell(each.setting), Cell(each.key), Cell(" → ".join(values))]
        )
    return rows


def _value(value: Any) -> str:
    if value is True:
        return ""
    return value if isinstance(value, str) and value else to_json(value)


def notes(pair: Pair) -> list[str]:
    """What could not be compared, a sentence each."""
    told = [
        f"{stack.name}: {note}"
        for stack, found in (
            (pair.old, pair.found.old_inventory),
            (pair.new, pair.found.new_inventory),
        )
        for note in found.notes
    ]
    return list(dict.fromkeys(told))
