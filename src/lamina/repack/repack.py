"""An image without its hidden bytes: planned, written, read back, proved, and only then named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from lamina.errors import Corrupt
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry
from lamina.layer.tarwriter import write_tar
from lamina.layer.union import Union
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.reference import Reference
from lamina.repack.image import Fate, repacked_config, repacked_manifest
from lamina.repack.plan import Kept, Made, Plan
from lamina.repack.proof import Proof, Side, TreeChange, proof_artifact, tree_changes
from lamina.repack.tree import Record, digest, records
from lamina.store.contract import Image, LayerStore, Lease, Store

_PIECE = 1 << 20


class NotTheSame(Corrupt):
    """The new layers show another tree than the old ones: nothing was named."""

    def __init__(self, name: str, changes: Sequence[TreeChange]) -> None:
        first = changes[0]
        what = " and ".join(first.aspects) or ("is gone" if first.new is None else "is new")
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        super().__init__(
            f"the repacked layers of {name} do not show the same: /{first.path} ({what}){more}",
            hint="nothing was changed; please report it, with `lamina history` of the image",
        )
        self.changes = changes


class Repacked(msgspec.Struct, frozen=True):
    """The new image, stored but for its name."""

    manifest: Manifest
    config: ImageConfig
    fates: tuple[Fate, ...]
    proof: Proof


class Slimmed(msgspec.Struct, frozen=True):
    """A new image with its name."""

    image: Image
    proof: Proof


def slim(
    store: Store,
    image: Image,
    stack: Stack,
    planned: Plan,
    reference: Reference,
    *,
    wrote: Callable[[int], None] = lambda _: None,
) -> Slimmed:
    """Make the image that was planned for `image`, whose stack that is, and name it.

    The proof is attached to it.  One that has nothing to make anew gets the name itself.
    Raises as `repack`.
    """
    with store.leases.hold() as lease:
        lease.protect(image.manifest.digest, image.config.digest, *image.layers)
        made = repack(
            store,
            lease,
            stack.name,
            image.manifest,
            image.config,
            tree_of(stack),
            planned,
            wrote=wrote,
        )
        lease.protect(made.manifest.digest, made.config.digest)
        new = store.images.add(made.manifest, made.config, reference)
        if planned.changes:
            store.images.attach(new, proof_artifact(new.manifest.descriptor, made.proof))
        return Slimmed(new, made.proof)


def tree_of(stack: Stack) -> dict[str, Record]:
    """The merged tree of an image or a container."""
    return records(stack.listings, stack.union)


def repack(
    store: Store,
    lease: Lease,
    name: str,
    old: Manifest,
    config: ImageConfig,
    tree: dict[str, Record],
    plan: Plan,
    *,
    wrote: Callable[[int], None] = lambda _: None,
) -> Repacked:
    """Write the layers of `plan` and read back that together they show `tree`.

    `old` and `config` are those of the image that was planned for, whose layers the lease
    keeps.  `wrote` is told of bytes as they are written.  Raises NotTheSame, and what the
    store raises; what was written has no name then, and a collection takes it.
    """
    fates: list[Fate] = []
    listings: list[Listing] = []
    for layer in plan.fates:
        if isinstance(layer, Kept):
            fates.append(Fate(layer.layer, layer.layer, True))
            listings.append(layer.listing)
            continue
        fate = Fate(*layer.span, False)
        if layer.entries:
            pieces = _tar(store.layers, config.diff_ids, layer, wrote)
            info = store.layers.ingest(pieces, expected=None)
            lease.protect(info.diff_id)
            listings.append(store.layers.hashed(info.diff_id))
            tar = Descriptor(mediatype.OCI_LAYER, info.diff_id, info.tar_size)
            fate = Fate(*layer.span, False, tar)
        fates.append(fate)
    shown = records(listings, Union.of(listings))
    if shown != tree:
        raise NotTheSame(name, tree_changes(tree, shown))
    new, manifest = config, old
    if plan.changes:
        new = repacked_config(config, fates)
        manifest = repacked_manifest(old, new, fates)
    before = sum(
        layer.listing.content_size if isinstance(layer, Kept) else layer.before
        for layer in plan.fates
    )
    proof = Proof(
        digest(tree),
        len(tree),
        Side(config.digest, config.diff_ids, before),
        Side(new.digest, new.diff_ids, before - plan.saved),
    )
    return Repacked(manifest, new, tuple(fates), proof)


def _tar(
    layers: LayerStore, diff_ids: Sequence[Digest], made: Made, wrote: Callable[[int], None]
) -> Iterator[bytes]:
    def content(entry: Entry) -> Iterator[bytes]:
        source = made.contents[entry.path]
        with layers.open_file(diff_ids[source.layer], source.entry) as file:
            while piece := file.read(_PIECE):
                wrote(len(piece))
                yield piece

    return write_tar(made.entries, content)
