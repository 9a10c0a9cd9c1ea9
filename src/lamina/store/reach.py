"""What the names, containers and build steps of a store need: the roots of gc and usage."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lamina.errors import Corrupt, Invalid, Unsupported
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.store.contract import BlobStore, ContainerRecord, NamedImage, StepResult, Store
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


def image_needs(blobs: BlobStore, row: NamedImage) -> Needs:
    """What an image needs, on every platform that is stored."""
    needs = Needs()
    _document(blobs, row.descriptor, needs, _NESTING)
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
) -> Needs:
    """What these need together; an unreadable container record makes it incomplete."""
    needs = Needs(complete=not store.containers.damaged())
    for row in rows:
        needs |= image_needs(store.blobs, row)
    for record in containers:
        needs |= container_needs(record)
    for step in steps:
        needs |= step_needs(step)
    return needs


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
