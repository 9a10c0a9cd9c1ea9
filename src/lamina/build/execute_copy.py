"""Carrying out COPY, ADD and WORKDIR: no mount, files are written where the layer will be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamina.build.workshop import Workshop
from lamina.context.tree import Tree, resolve
from lamina.copying.copier import Copier
from lamina.copying.reading import Reading
from lamina.copying.upper import Upper
from lamina.layer.contract import LayerInfo
from lamina.layer.entry import Kind
from lamina.oci.digest import Digest
from lamina.plan.graph import CopyOp, MakeDirOp


def make_directory(
    shop: Workshop, place: Path, op: MakeDirOp, chain: Sequence[Digest]
) -> LayerInfo:
    """WORKDIR.  Raises InTheWay when something else is there."""
    below = shop.views.of(chain)
    upper = Upper(place / "upper", below, now=shop.now, whiteouts=shop.store.layers.whiteouts)
    path = upper.resolve(op.path)
    found = below.lookup(path)
    filling = None
    if found is None or found.kind is not Kind.DIRECTORY:
        upper.make_directories(path, _user(op.owner, below))
        filling = upper.finish()
    return shop.adopt(place, filling)


def copy(
    shop: Workshop,
    place: Path,
    op: CopyOp,
    chain: Sequence[Digest],
    readings: Sequence[Reading],
) -> LayerInfo:
    """Lay what was read, source by source, and the documents over the layers of `chain`.

    Raises InTheWay, ContextChanged, UnknownUser, BadUser.
    """
    below = shop.views.of(() if op.link else chain)
    whiteouts, leaves = shop.store.layers.whiteouts, shop.epoch is None
    upper = Upper(place / "upper", below, now=shop.now, whiteouts=whiteouts, leaves=leaves)
    owner = _owner(op.owner, shop.views.of(chain)) if op.owner else None
    timeless: set[str] | None = None if shop.epoch is None else set()
    copier = Copier(op, upper, owner, shop.now, timeless)
    filling = copier.run(readings)
    return shop.adopt(place, filling, timeless or ())


def _owner(text: str, below: Tree) -> tuple[int, int]:
    """`--chown`, with names looked up in the layers below.  Raises UnknownUser, BadUser."""
    user, colon, group = text.partition(":")
    uid, gid = _number(user), _number(group)
    if uid is not None and not colon:
        return uid, uid
    if uid is not None and gid is not None:
        return uid, gid
    from lamina.run.identity import lookup

    identity, _ = lookup(text, _content(below, "etc/passwd"), _content(below, "etc/group"))
    return identity.uid, identity.gid


def _number(text: str) -> int | None:
    """An id that needs no lookup: BuildKit knows root without one, and takes no group for 0."""
    if text in ("", "root"):
        return 0
    return int(text) if text.isascii() and text.isdigit() else None


def _user(text: str, below: Tree) -> tuple[int, int]:
    """Who gets the directories of WORKDIR: like BuildKit, root when the user is not known."""
    from lamina.run.identity import UnknownUser

    try:
        return _owner(text, below) if text else (0, 0)
    except UnknownUser:
        return 0, 0


def _content(tree: Tree, path: str) -> bytes:
    entry = tree.lookup(resolve(tree.lookup, path))
    if entry is None or entry.kind not in (Kind.FILE, Kind.HARDLINK):
        return b""
    with tree.open(entry).file as file:
        return file.read()
