"""The configuration and the manifest of an image whose layers were made anew.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from lamina.explain.cause import instruction
from lamina.oci import mediatype
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest


class Fate(msgspec.Struct, frozen=True):
    """What became of one layer of an image, or of several that follow each other."""

    first: int
    """Counted from 0, both ends included."""
    last: int
    kept: bool
    """As it was; then `first` is `last`."""
    layer: Descriptor | None = None
    """The new layer as plain tar; None when it was kept, or nothing is left of it."""


def repacked_config(old: ImageConfig, fates: Sequence[Fate]) -> ImageConfig:
    """The old configuration with the new layers, and a history that says what they are of.

    Nothing else changes, known to Lamina or not.
    """
    diff_ids: list[Digest] = []
    for each in fates:
        if each.kept:
            diff_ids.append(old.diff_ids[each.first])
        elif each.layer is not None:
            diff_ids.append(each.layer.digest)
    return old.amend(diff_ids=diff_ids, history=_history(old, fates) if old.history else None)


def repacked_manifest(old: Manifest, config: ImageConfig, fates: Sequence[Fate]) -> Manifest:
    """The old manifest's layers where they stay, the new ones as plain tar; its annotations."""
    layers: list[Descriptor] = []
    for each in fates:
        if each.kept:
            layers.append(_as_oci(old.layers[each.first]))
        elif each.layer is not None:
            layers.append(each.layer)
    return Manifest.build(config.descriptor(), layers, annotations=old.annotations)


def _as_oci(layer: Descriptor) -> Descriptor:
    return replace(layer, media_type=mediatype.as_oci(layer.media_type))


def _history(old: ImageConfig, fates: Sequence[Fate]) -> list[History]:
    """Every line of the old history; of layers that became one the last has it."""
    lines = list(old.history)
    places = [place for place, line in enumerate(lines) if not line.empty_layer]
    for fate in fates:
        of = places[fate.first : fate.last + 1]
        if fate.kept:
            continue
        if fate.layer is None:
            _empty(lines, of)
        elif len(of) > 1:
            lines[of[-1]] = replace(lines[of[-1]], created_by=_merged([lines[at] for at in of]))
            _empty(lines, of[:-1])
    return lines


def _empty(lines: list[History], places: Sequence[int]) -> None:
    for at in places:
        lines[at] = replace(lines[at], empty_layer=True)


def _merged(lines: Sequence[History]) -> str:
    told = [instruction(line) or "a layer without history" for line in lines]
    return f"merged {len(lines)} layers: {'; '.join(told)}"
