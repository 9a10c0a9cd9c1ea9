"""Which layer, and so which instruction, brought each package into an image.  Pure."""

from __future__ import annotations

from lamina.explain.package_records import Package
from lamina.explain.packages import Inventory, inventory
from lamina.explain.stack import Stack

_OWN_FILE = ("python", "npm")
"""Managers that record each package in a file of its own."""


class Sourced:
    """The packages of an image, and the layer that each came with."""

    def __init__(self, stack: Stack) -> None:
        self.inventory: Inventory = inventory(stack)
        self._stack = stack
        self._layers = _by_database(stack, self.inventory)

    def layer(self, package: Package) -> int | None:
        """The layer that brought the package as it is now, counted from 0, the lowest."""
        if package.kind in _OWN_FILE:
            found = self._stack.union.get(package.path)
            return found.layer if found is not None else None
        return self._layers.get(package)


def _by_database(stack: Stack, found: Inventory) -> dict[Package, int]:
    """Of packages that one database records: the lowest layer from which on it has them.

    The database is read as it was after each layer that changed it.
    """
    left = {each for each in found.packages if each.kind not in _OWN_FILE}
    paths = {stack.union.resolve(each.path) for each in left}
    layers: dict[Package, int] = {}
    for layer in reversed(range(len(stack))):
        if not left or not _touches(stack, layer, paths):
            continue
        layers |= dict.fromkeys(left, layer)
        below = set(inventory(stack.lowest(layer)).packages) if layer else set()
        left &= below
    return layers


def _touches(stack: Stack, layer: int, paths: set[str]) -> bool:
    return any(entry.path in paths for entry in stack.listings[layer].entries)
