"""Whether two images show the same: for people and as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lamina.explain.settings import SettingChange
from lamina.oci.digest import Digest
from lamina.repack.proof import TreeChange
from lamina.report.paper import Cell, Paper


class Sameness(msgspec.Struct, frozen=True):
    """Two images beside each other."""

    old: str
    new: str
    paths: int
    """How many the old one's tree has."""
    old_tree: Digest
    new_tree: Digest
    changes: Sequence[TreeChange]
    settings: Sequence[SettingChange]

    @property
    def holds(self) -> bool:
        """Whether they show the same and start the same."""
        return not (self.changes or self.settings)


def as_text(found: Sameness, paper: Paper, *, limit: int) -> str:
    """That they are the same, or where they are not: at most `limit` paths."""
    if found.holds:
        return (
            paper.write(
                Cell(f"{found.old} and {found.new} show the same", "visible"),
                Cell(f": {found.paths:,} paths, tree {found.old_tree}"),
            )
            + "\n"
        )
    rows = [_row(change) for change in found.changes[:limit]]
    parts = [
        paper.write(Cell(f"{found.old} and {found.new} are not the same", "hidden")) + "\n",
        paper.grid(rows, stretch=1),
    ]
    if (more := len(found.changes) - limit) > 0:
        noun = "path" if more == 1 else "paths"
        parts.append(paper.prose(f"and {more:,} more {noun} (--limit, or --format json)"))
    if found.settings:
        parts.append(paper.grid([_setting(each) for each in found.settings], stretch=1))
    return "\n".join(part for part in parts if part)


def _row(change: TreeChange) -> list[Cell]:
    if change.old is None:
        return [Cell("only new", "visible"), Cell(f"/{change.path}"), Cell("")]
    if change.new is None:
        return [Cell("only old", "deleted"), Cell(f"/{change.path}"), Cell("")]
    return [Cell("changed", "hidden"), Cell(f"/{change.path}"), Cell(", ".join(change.aspects))]


def _setting(change: SettingChange) -> list[Cell]:
    name = f"{change.setting} {change.key}".strip()
    return [Cell(name), Cell(f"{_value(change.old)} → {_value(change.new)}")]


def _value(value: Any) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()


def as_json(found: Sameness) -> dict[str, Any]:
    """The same as a JSON document, every path in it."""
    return {
        "old": found.old,
        "new": found.new,
        "same": found.holds,
        "paths": found.paths,
        "old_tree": str(found.old_tree),
        "new_tree": str(found.new_tree),
        "changes": [
            {
                "path": f"/{change.path}",
                "verdict": _verdict(change),
                "aspects": change.aspects,
                "old": change.old._asdict() if change.old else None,
                "new": change.new._asdict() if change.new else None,
            }
            for change in found.changes
        ],
        "settings": [msgspec.to_builtins(change) for change in found.settings],
    }


def _verdict(change: TreeChange) -> str:
    if change.old is None:
        return "added"
    return "removed" if change.new is None else "changed"
