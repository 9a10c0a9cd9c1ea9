"""What a container changed in its image: Docker's A, C and D lines."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lamina.layer.diff import changes
from lamina.layer.entry import Kind
from lamina.layer.union import Union
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store


class Change(NamedTuple):
    """One path, absolute, and what happened to it."""

    kind: Literal["A", "C", "D"]
    """Added, changed, deleted."""
    path: str


def container_changes(store: Store, record: ContainerRecord) -> list[Change]:
    """Every difference between a container and its image, sorted by path.

    A directory counts as changed when something in it did, as in Docker.  What a
    directory that was made anew no longer has is deleted.
    """
    image = Union.of([store.layers.listing(each) for each in record.layers])
    found: dict[str, Change] = {}
    opaque: list[str] = []
    for entry in changes(store.containers.directory(record.id) / "upper"):
        if entry.is_opaque_marker:
            opaque.append(entry.parent)
        elif (gone := entry.whiteout_of) is not None:
            if image.get(gone) is not None:
                found[gone] = Change("D", f"/{gone}")
        else:
            kind: Literal["A", "C"] = "A" if image.get(entry.path) is None else "C"
            found[entry.path] = Change(kind, f"/{entry.path}")
    for directory in opaque:
        below = image.get(directory)
        if below is not None and below.entry.kind is Kind.DIRECTORY:
            for name in image.children(directory):
                path = f"{directory}/{name}" if directory else name
                found.setdefault(path, Change("D", f"/{path}"))
    return sorted(found.values(), key=lambda change: change.path)
