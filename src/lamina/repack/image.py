"""The configuration and the manifest of an image whose layers were made anew.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lamina.explain.cause import instruction
from lamina.oci import mediatype
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.repack.plan import Kept, Made, Plan, Span


class Written:
    """The layers of a plan as they were stored: diff_id and bytes of tar of each made one."""

    def __init__(self) -> None:
        self._layers: dict[Span, Descriptor] = {}

    def add(self, span: Span, diff_id: Digest, tar_size: int) -> None:
        """Note what the layer of `span` is."""
        self._layers[span] = Descriptor(mediatype.OCI_LAYER, diff_id, tar_size)

    def descriptor(self, layer: Made) -> Descriptor:
        """What names a made layer in a manifest: its plain tar."""
        return self._layers[layer.span]


def repacked_config(old: ImageConfig, plan: Plan, written: Written) -> ImageConfig:
    """The old configuration with the new layers, and a history that says what they are of.

    Nothing else changes, known to Lamina or not.
    """
    diff_ids = [
        old.diff_ids[layer.layer] if isinstance(layer, Kept) else written.descriptor(layer).digest
        for layer in plan.layers
    ]
    return old.amend(diff_ids=diff_ids, history=_history(old, plan) if old.history else None)


def repacked_manifest(old: Manifest, config: ImageConfig, plan: Plan, written: Written) -> Manifest:
    """The old manifest's layers where they stay, the new ones as plain tar; its annotations."""
    layers = [
        _as_oci(old.layers[layer.layer]) if isinstance(layer, Kept) else written.descriptor(layer)
        for layer in plan.layers
    ]
    return Manifest.build(config.descriptor(), layers, annotations=old.annotations)


def _as_oci(layer: Descriptor) -> Descriptor:
    return replace(layer, media_type=mediatype.as_oci(layer.media_type))


def _history(old: ImageConfig, plan: Plan) -> list[History]:
    """Every line of the old history; of layers that became one the last has it."""
    lines = list(old.history)
    places = [place for place, line in enumerate(lines) if not line.empty_layer]
    for made in plan.made:
        of = places[made.span.first : made.span.last + 1]
        if len(of) > 1:
            lines[of[-1]] = replace(lines[of[-1]], created_by=_merged([lines[at] for at in of]))
        _empty(lines, of[:-1])
    for made in plan.dropped:
        _empty(lines, places[made.span.first : made.span.last + 1])
    return lines


def _empty(lines: list[History], places: Sequence[int]) -> None:
    for at in places:
        lines[at] = replace(lines[at], empty_layer=True)


def _merged(lines: Sequence[History]) -> str:
    told = [instruction(line) or "a layer without history" for line in lines]
    return f"merged {len(lines)} layers: {'; '.join(told)}"
