"""`build`: from a Dockerfile and a context to an image for each platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from lamina.build.image import image_config, image_manifest
from lamina.build.inputs import Result
from lamina.build.means import Means
from lamina.build.observe import Observer, Occasion
from lamina.build.solve import solve
from lamina.build.trees import Trees
from lamina.cache.cache import Importer, Known
from lamina.cache.record import INLINE, with_inline
from lamina.dockerfile.instruction import Dockerfile
from lamina.oci.attestation import Attestation
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.plan.graph import Graph
from lamina.plan.plan import Plan, Resolver, called, plan
from lamina.plan.stage import Settings
from lamina.store.contract import Lease, Store

if TYPE_CHECKING:
    from lamina.build.reason import Reason


class Variant(msgspec.Struct, frozen=True):
    """The image for one platform."""

    platform: Platform
    """As asked for."""
    plan: Plan
    manifest: Manifest
    config: ImageConfig
    size: int
    """Bytes of file content in all layers."""
    hidden: int
    """How many of them nobody can see."""


class Product(msgspec.Struct, frozen=True):
    """What a build made.  Its layers are stored; nothing of it has a name yet."""

    variants: tuple[Variant, ...]
    """One for each platform, in the order asked for."""
    results: Mapping[Digest, Result]
    """Of every vertex that was needed, by its digest."""
    lease: Lease
    """Keeps all of it while the build's block lasts."""
    unused_args: tuple[str, ...]
    """`--build-arg` names that no ARG declares."""
    known: tuple[Known, ...]
    """What caches elsewhere may learn of the steps."""
    attestations: tuple[Attestation, ...] = ()
    """What is stated of the images; stored."""


@contextmanager
def build(
    dockerfile: Dockerfile,
    trees: Trees,
    store: Store,
    *,
    settings: Sequence[Settings],
    resolve: Resolver,
    occasion: Occasion,
    observer: Observer,
    means: Means,
    importers: Sequence[Importer] = (),
    inline_cache: bool = False,
    explain: Callable[[tuple[Reason, ...]], None] | None = None,
) -> Iterator[Product]:
    """Build the target, and hold what was made for the length of the block.

    `settings` differ in their platform alone; work that is the same for several is done
    once.  Steps whose cache key is known are not carried out again.  A build that fails
    keeps the steps before the failure in the cache.  With `inline_cache` the image carries
    the record of its own steps.  `explain` hears why the cache had each step or not.

    Raises DockerfileError, pointing at the instruction, StepError for one
    that failed, NoSuchStage, and what the resolver and the store raise.
    """
    with store.leases.hold() as lease:
        graph = Graph()
        plans = [plan(dockerfile, each, _for(each, resolve), graph) for each in settings]
        for made in plans:
            if made.image is not None:
                lease.protect(*made.image.layers)
        if occasion.anew:
            anew = called(plans[0], occasion.anew, "--no-cache-filter")
            occasion = msgspec.structs.replace(occasion, anew=anew)
        solved = solve(
            plans,
            trees,
            store,
            lease,
            occasion=occasion,
            observer=observer,
            means=means,
            importers=importers,
            explain=explain,
        )
        inline = solved.known if inline_cache else ()
        variants = [
            _variant(made, solved.results, store, occasion.created, hidden, inline)
            for made, hidden in zip(plans, solved.hidden, strict=True)
        ]
        unused = plans[0].unused_args
        yield Product(tuple(variants), solved.results, lease, unused, solved.known)


def _for(settings: Settings, resolve: Resolver) -> Resolver:
    """The resolver, asked for the settings' platform where no other is named."""
    return lambda name, platform: resolve(name, platform or str(settings.platform))


def _variant(
    made: Plan,
    results: Mapping[Digest, Result],
    store: Store,
    now: str,
    hidden: int,
    inline: Sequence[Known],
) -> Variant:
    config = image_config(made, results, now)
    # A base may have left its own record there.
    if inline or INLINE.encode() in config.raw:
        config = with_inline(config, inline)
    manifest = image_manifest(made, results, config)
    size = sum(store.layers.info(each).content_size for each in config.diff_ids)
    return Variant(made.stage.settings.platform, made, manifest, config, size, hidden)
