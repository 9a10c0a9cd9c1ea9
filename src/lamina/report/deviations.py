"""The report of a build that did not come out the same twice: for people and as JSON.  Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from lamina.explain.deviations import Deviation, Deviations
from lamina.explain.difference import Aspect
from lamina.explain.nondeterminism import Cause
from lamina.explain.owners import Owners
from lamina.explain.stack import Stack
from lamina.layer.entry import Entry, Kind
from lamina.report.metadata import changes_text
from lamina.report.paper import Cell, Paper
from lamina.report.words import NOUNS
from lamina.text import clip, escape

_LINE = 72
"""Columns of a line of a file that are shown."""
_LIMIT = 40
"""Paths that the text shows."""


def as_text(found: Deviations, paper: Paper) -> str:
    """The report for people: each path with the instruction that made it, then the causes."""
    told = found.paths[:_LIMIT]
    parts = []
    for layer in dict.fromkeys(each.layer for each in told):
        stack = _maker(found, layer)
        head = f"layer {stack.label(layer)}   {stack.origins[layer].instruction}"
        parts.append("\n   " + paper.write(Cell(clip(escape(head), paper.width - 3), "head")))
        parts += [_path(found, each, paper) for each in told if each.layer == layer]
    if len(found.paths) > _LIMIT:
        parts.append(f"\n   and {len(found.paths) - _LIMIT:,} more")
    parts += [
        f"   {paper.write(Cell(f'{each.setting} {each.key}'.rstrip()))}: {each.old} → {each.new}"
        for each in found.settings
    ]
    text = "\n".join(parts) + "\n"
    causes = _causes(found)
    if causes:
        text += "\n" + "".join(
            paper.prose(f"{cause.why}: {cause.advice}") for cause in causes.values()
        )
    return text


def _maker(found: Deviations, layer: int) -> Stack:
    """A stack that has the layer."""
    return found.first if layer < len(found.first) else found.second


def _causes(found: Deviations) -> dict[str, Cause]:
    """The known causes by their names, the one met first first."""
    return {each.cause.name: each.cause for each in found.paths if each.cause is not None}


def _path(found: Deviations, each: Deviation, paper: Paper) -> str:
    mark = "+" if each.first is None else "−" if each.second is None else "~"
    rows = [
        [
            Cell(mark, "deleted"),
            Cell(f"/{each.entry.whiteout_of or each.path}"),
            Cell(_what(found, each)),
            Cell(each.cause.name if each.cause else "", "base"),
        ]
    ]
    lines = [paper.grid(rows, stretch=1).rstrip("\n")]
    spot = each.spot
    if spot is not None and spot.line and not (each.cause and each.cause.secret):
        for sign, text in (("−", spot.first), ("+", spot.second)):
            lines.append(paper.write(Cell(f"        {sign} {clip(escape(text), _LINE)}")))
    return "\n".join(lines)


def _what(found: Deviations, each: Deviation) -> str:
    """`content from byte 4`, `mode 0644 → 0600`, `only the first time`."""
    old, new = each.first, each.second
    if old is None or new is None:
        deleted = "deleted " if each.entry.whiteout_of else ""
        return f"{deleted}only the {'second' if old is None else 'first'} time"
    if Aspect.TYPE in each.aspects:
        return f"{NOUNS[old.kind]} → {NOUNS[new.kind]}"
    words = []
    if each.spot is not None:
        place = f"line {each.spot.line}" if each.spot.line else f"byte {each.spot.offset:,}"
        words.append(f"content from {place}")
    elif Aspect.CONTENT in each.aspects:
        words.append("another name of it")
    if Aspect.LINK in each.aspects:
        words.append(f"link {old.link} → {new.link}")
    if Aspect.DEVICE in each.aspects:
        words.append("device")
    if metadata := changes_text(old, new, Owners.of(found.first), Owners.of(found.second)):
        words.append(metadata)
    if Aspect.MTIME in each.aspects:
        words.append("time")
    return ", ".join(words)


def as_json(found: Deviations) -> dict[str, Any]:
    """The same for programs; lines of files that may be secrets are left out."""
    return {
        "platform": str(found.first.config.platform) if found.first.config else "",
        "first": found.first.identity,
        "second": found.second.identity,
        "files": [_path_json(found, each) for each in found.paths],
        "settings": [msgspec.to_builtins(each) for each in found.settings],
    }


def _path_json(found: Deviations, each: Deviation) -> dict[str, Any]:
    stack = _maker(found, each.layer)
    secret = each.cause is not None and each.cause.secret
    spot = each.spot
    if spot is not None and secret:
        spot = msgspec.structs.replace(spot, first="", second="")
    return {
        "path": f"/{each.path}",
        "layer": stack.label(each.layer),
        "instruction": stack.origins[each.layer].instruction,
        "created_by": stack.origins[each.layer].created_by,
        "aspects": [aspect.value for aspect in each.aspects],
        "first": _entry_json(each.first),
        "second": _entry_json(each.second),
        "spot": msgspec.to_builtins(spot),
        "cause": msgspec.to_builtins(each.cause),
    }


def _entry_json(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "type": NOUNS[entry.kind],
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime // 1_000_000_000,
        "link": entry.link if entry.kind is Kind.SYMLINK else None,
    }
