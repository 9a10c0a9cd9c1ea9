"""The image that a solved plan is: its configuration and its manifest.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from lamina.build.epoch import earlier
from lamina.build.inputs import Result
from lamina.oci import mediatype
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.plan.plan import Plan

COMMENT = "buildkit.dockerfile.v0"
"""What says to tools that a history is a Dockerfile's, in BuildKit's notation."""


def image_config(made: Plan, results: Mapping[Digest, Result], now: str) -> ImageConfig:
    """The image's configuration; lines without a layer take the time of the layer before.

    So a build that comes from the cache alone has the same image id as the one
    that filled it.  With an epoch, which `now` is then, no time is later.
    """
    stage, epoch = made.stage, made.stage.settings.epoch
    base = made.image.config if made.image else ImageConfig.scratch(stage.settings.platform)
    history = list(base.history or base.causes)
    created = base.created or ""
    if epoch is not None:
        history = [replace(line, created=earlier(line.created, epoch)) for line in history]
        created = earlier(created, epoch)
    for line in stage.history:
        result = results[line.vertex.digest].made if line.vertex else None
        if epoch is not None:
            created = now
        elif result is not None:
            created = result.created
        else:
            created = created or now
        history.append(
            History(
                created=created,
                created_by=line.created_by,
                comment=COMMENT,
                empty_layer=line.vertex is None,
            )
        )
    return base.amend(
        created=created or now,
        author=stage.author,
        execution=stage.execution,
        diff_ids=results[stage.tip.digest].layers,
        history=history,
    )


def image_manifest(made: Plan, results: Mapping[Digest, Result], config: ImageConfig) -> Manifest:
    """The manifest: the base's layers as it has them, then ours, which are plain tar."""
    layers = [
        Descriptor(mediatype.as_oci(each.media_type), each.digest, each.size, each.urls)
        for each in (made.image.manifest.layers if made.image else ())
    ]
    for line in made.stage.history:
        result = results[line.vertex.digest].made if line.vertex else None
        if result is not None:
            layers.append(Descriptor(mediatype.OCI_LAYER, result.layer, result.tar_size))
    return Manifest.build(config.descriptor(), layers)
