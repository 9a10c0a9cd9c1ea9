"""How two images differ, as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lamina.explain.owners import Owners
from lamina.explain.package_records import Package
from lamina.explain.stack import Stack
from lamina.explain.view import Node
from lamina.report.compare import Pair, file_count, notes
from lamina.report.directory import node_json


def as_json(pair: Pair) -> dict[str, Any]:
    """The whole comparison; `growth` is bytes that the new one has more."""
    old, new, found = pair.old, pair.new, pair.found
    owners = Owners.of(old), Owners.of(new)
    return {
        "old": _side_json(old, found.old_inventory.packages),
        "new": _side_json(new, found.new_inventory.packages),
        "differ": not found.is_empty,
        "layers": [
            *(_layer_json("old", old, layer) for layer in found.old_layers),
            *(_layer_json("new", new, layer) for layer in found.new_layers),
        ],
        "files": [
            {
                "path": f"/{each.path}",
                "change": each.verdict,
                "aspects": [aspect.value for aspect in each.aspects],
                "growth": each.growth,
                "old": _node_json(old, each.old, owners[0]),
                "new": _node_json(new, each.new, owners[1]),
            }
            for each in found.changes
        ],
        "packages": [
            {
                "kind": each.kind,
                "name": each.name,
                "change": each.verdict,
                "growth": each.growth,
                "old": msgspec.to_builtins(each.old),
                "new": msgspec.to_builtins(each.new),
            }
            for each in found.packages
        ],
        "settings": [msgspec.to_builtins(each) for each in found.settings],
        "notes": notes(pair),
    }


def _side_json(stack: Stack, packages: Sequence[Package]) -> dict[str, Any]:
    account = stack.account
    return {
        "name": stack.name,
        "id": stack.identity,
        "bytes": account.bytes,
        "visible_bytes": account.visible_bytes,
        "hidden_bytes": account.hidden_bytes,
        "files": file_count(stack),
        "packages": len(packages),
    }


def _layer_json(side: str, stack: Stack, layer: int) -> dict[str, Any]:
    origin, account = stack.origins[layer], stack.account.layers[layer]
    return {
        "in": side,
        "layer": origin.label,
        "diff_id": None if origin.label == "rw" else str(account.diff_id),
        "bytes": account.bytes,
        "hidden_bytes": account.hidden_bytes,
        "instruction": origin.instruction,
        "created_by": origin.created_by,
    }


def _node_json(stack: Stack, node: Node | None, owners: Owners) -> dict[str, Any] | None:
    return node_json(stack, node, owners) if node is not None else None
