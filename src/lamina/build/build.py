"""`build`: from a Dockerfile and a context to a named image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamina.build.cache import Importer
from lamina.build.inputs import Result
from lamina.build.means import Means
from lamina.build.observe import Observer, Occasion
from lamina.build.plan import Plan, Resolver, plan
from lamina.build.solve import solve
from lamina.build.stage import Settings
from lamina.build.trees import Trees
from lamina.dockerfile.instruction import Dockerfile
from lamina.oci import mediatype
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store

COMMENT = "buildkit.dockerfile.v0"
"""What says to tools that a history is a Dockerfile's, in BuildKit's notation."""
_AS_OCI = {
    mediatype.DOCKER_LAYER: mediatype.OCI_LAYER,
    mediatype.DOCKER_LAYER_GZIP: mediatype.OCI_LAYER_GZIP,
    mediatype.DOCKER_LAYER_ZSTD: mediatype.OCI_LAYER_ZSTD,
    mediatype.DOCKER_FOREIGN_LAYER_GZIP: mediatype.OCI_FOREIGN_LAYER + "+gzip",
}
"""The same bytes by their name in an OCI manifest."""


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build."""

    image: Image
    size: int
    """Bytes of file content in all layers."""
    hidden: int
    """How many of them nobody can see."""
    unused_args: tuple[str, ...]


def build(
    dockerfile: Dockerfile,
    trees: Trees,
    store: Store,
    *,
    settings: Settings,
    resolve: Resolver,
    names: Sequence[Reference],
    occasion: Occasion,
    observer: Observer,
    means: Means,
    importers: Sequence[Importer] = (),
) -> Built:
    """Build the target and give it `names`, or leave it unnamed; the names come last.

    Steps whose cache key is known are not carried out again.  A build that fails
    keeps the steps before the failure in the cache and names nothing.

    Raises DockerfileError and NotYet, pointing at the instruction, StepError for one
    that failed, NoSuchStage, and what the resolver and the store raise.
    """
    with store.leases.hold() as lease:
        made = plan(dockerfile, settings, resolve)
        if made.image is not None:
            lease.protect(*made.image.layers)
        solved = solve(
            made,
            trees,
            store,
            lease,
            occasion=occasion,
            observer=observer,
            means=means,
            importers=importers,
        )
        results = solved.results
        config = image_config(made, results, settings, occasion.created)
        manifest = image_manifest(made, results, config)
        for name in names or (None,):
            image = store.images.add(manifest, config, name)
        size = sum(store.layers.info(each).content_size for each in config.diff_ids)
        return Built(image, size, solved.hidden, made.unused_args)


def image_config(
    made: Plan, results: Mapping[Digest, Result], settings: Settings, now: str
) -> ImageConfig:
    """The image's configuration; lines without a layer take the time of the layer before.

    So a build that comes from the cache alone has the same image id as the one
    that filled it.
    """
    stage = made.stage
    base = made.image.config if made.image else ImageConfig.scratch(settings.platform)
    history = list(base.history or base.causes)
    created = base.created or ""
    for line in stage.history:
        result = results[line.vertex.digest].made if line.vertex else None
        created = result.created if result else created or now
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
        Descriptor(_AS_OCI.get(each.media_type, each.media_type), each.digest, each.size, each.urls)
        for each in (made.image.manifest.layers if made.image else ())
    ]
    for line in made.stage.history:
        result = results[line.vertex.digest].made if line.vertex else None
        if result is not None:
            layers.append(Descriptor(mediatype.OCI_LAYER, result.layer, result.tar_size))
    return Manifest.build(config.descriptor(), layers)
