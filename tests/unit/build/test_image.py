"""Configuration and manifest of what was built, from a plan and results made by hand."""

from __future__ import annotations

from lamina.build.image import image_config, image_manifest
from lamina.build.inputs import Result
from lamina.cache.cache import Made
from lamina.oci import mediatype
from lamina.oci.digest import Digest
from lamina.plan.plan import Plan
from tests.unit.plan.test_plan import LAYER, planned

NOW = "2026-06-01T00:00:00Z"
EARLIER = "2026-05-01T00:00:00Z"


def results(found: Plan, created: str = EARLIER) -> dict[Digest, Result]:
    """Each vertex that the history names makes a layer of its own."""
    layers: tuple[Digest, ...] = found.image.layers if found.image else ()
    made: dict[Digest, Result] = {}
    for line in found.stage.history:
        if line.vertex is not None:
            layer = Digest.of(line.vertex.digest.text.encode())
            layers = (*layers, layer)
            made[line.vertex.digest] = Result(layers, Made(layer, 1, 1024, created))
    made.setdefault(found.stage.tip.digest, Result(layers))
    return made


def test_lines_without_a_layer_take_the_time_of_the_layer_before() -> None:
    found = planned("FROM debian\nENV A=1\nRUN x\nENV B=2\n")
    config = image_config(found, results(found), NOW)
    assert [(line.created_by.split()[0], line.created) for line in config.history[-3:]] == [
        ("ENV", "2026-01-02T03:04:05Z"),
        ("RUN", EARLIER),
        ("ENV", EARLIER),
    ]
    assert config.created == EARLIER
    assert [line.empty_layer for line in config.history] == [False, True, False, True]


def test_an_image_of_nothing_takes_the_time_of_the_build() -> None:
    found = planned("FROM scratch\nENV A=1\n")
    config = image_config(found, results(found), NOW)
    assert config.created == NOW
    assert config.diff_ids == ()


def test_the_manifest_has_the_bases_layers_as_they_are_and_ours_as_tar() -> None:
    found = planned("FROM debian\nRUN x\n")
    config = image_config(found, results(found), NOW)
    manifest = image_manifest(found, results(found), config)
    base, own = manifest.layers
    assert (base.media_type, base.digest) == (mediatype.OCI_LAYER_GZIP, Digest.of(b"gz"))
    assert (own.media_type, own.digest, own.size) == (mediatype.OCI_LAYER, config.diff_ids[1], 1024)
    assert config.diff_ids[0] == LAYER
    assert manifest.config == config.descriptor()
