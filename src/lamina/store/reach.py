"""What the names, containers and build steps of a store need: the roots of gc and usage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from lamina.errors import Corrupt, Invalid, Unsupported
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Attached, BlobStore, NamedImage, StepResult, Store
from lamina.store.errors import BlobNotFound

_NESTING = 4


class Needs(msgspec.Struct):
    """Blobs and layers that somebody needs."""

    blobs: set[Digest] = set()
    layers: set[Digest] = set()
    complete: bool = True
    """False when a damaged document hides what it needs: then nothing may be collected."""

    def __ior__(self, other: Needs) -> Needs:
        self.blobs |= other.blobs
        self.layers |= other.layers
        self.complete &= other.complete
        return self


def image_needs(blobs: BlobStore, row: NamedImage, attached: Sequence[Attached]) -> Needs:
    """What an image needs, on every platform that is stored, and what is attached to that."""
    needs = Needs()
    _document(blobs, row.descriptor, needs, _NESTING)
    _add_attached(blobs, attached, needs)
    return needs


def container_needs(record: ContainerRecord) -> Needs:
    """What a container needs: its layers, and the config it was made from."""
    return Needs({record.image_id}, set(record.layers))


def step_needs(step: StepResult) -> Needs:
    """What a build step's result needs."""
    return Needs(set(), set(step.layers))


def all_needs(
    store: Store,
    rows: Iterable[NamedImage],
    containers: Iterable[ContainerRecord],
    steps: Iterable[StepResult] = (),
    *,
    leased: Iterable[Digest] = (),
) -> Needs:
    """What these need together; an unreadable container record makes it incomplete."""
    kept = set(leased)
    needs = Needs(kept, set(kept), complete=not store.containers.damaged())
    attached = store.refs.attached()
    for row in rows:
        needs |= image_needs(store.blobs, row, ())
    for record in containers:
        needs |= container_needs(record)
    for step in steps:
        needs |= step_needs(step)
    _add_attached(store.blobs, attached, needs)
    return needs


def detached(store: Store, needs: Needs) -> set[Digest]:
    """The artifacts that stay no longer: their subject does not, or they are not stored."""
    return {
        each.descriptor.digest
        for each in store.refs.attached()
        if each.subject not in needs.blobs or not store.blobs.has(each.descriptor.digest)
    }


def _add_attached(blobs: BlobStore, attached: Sequence[Attached], needs: Needs) -> None:
    """Add what is attached to a manifest that is needed, and what is attached to that."""
    waiting = list(attached)
    while found := [each for each in waiting if each.subject in needs.blobs]:
        waiting = [each for each in waiting if each.subject not in needs.blobs]
        for each in found:
            _artifact(blobs, each.descriptor.digest, needs)


def _artifact(blobs: BlobStore, digest: Digest, needs: Needs) -> None:
    needs.blobs.add(digest)
    try:
        artifact = Artifact.read(Manifest.parse(blobs.read(digest)))
        needs.blobs.add(artifact.manifest.config.digest)
        needs.blobs |= {each.digest for each in artifact.manifest.layers}
        needs.layers |= set(artifact.diff_ids)
    except BlobNotFound:
        return
    except (Corrupt, Invalid, Unsupported):
        needs.complete = False


def _document(blobs: BlobStore, descriptor: Descriptor, needs: Needs, depth: int) -> None:
    needs.blobs.add(descriptor.digest)
    try:
        raw = blobs.read(descriptor.digest)
        if descriptor.media_type in mediatype.INDEXES:
            if depth:
                for each in Index.parse(raw, media_type=descriptor.media_type).manifests:
                    _document(blobs, each, needs, depth - 1)
        elif descriptor.media_type in mediatype.MANIFESTS:
            _manifest(blobs, Manifest.parse(raw, media_type=descriptor.media_type), needs)
    except BlobNotFound:
        # Of an index, only the platforms that were asked for are here.
        return
    except (Corrupt, Invalid, Unsupported):
        needs.complete = False


def _manifest(blobs: BlobStore, manifest: Manifest, needs: Needs) -> None:
    needs.blobs.add(manifest.config.digest)
    needs.blobs |= {layer.digest for layer in manifest.layers}
    if manifest.config.media_type in mediatype.CONFIGS:
        needs.layers |= set(ImageConfig.parse(blobs.read(manifest.config.digest)).diff_ids)
