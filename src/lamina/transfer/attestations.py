"""Statements about an image on their way to a sink, which may hold it as another manifest."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lamina.oci import mediatype
from lamina.oci.attestation import (
    PREDICATE_TYPE,
    STATEMENT,
    Attestation,
    Statement,
    subject_of,
)
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.registry.contract import Sink, Source
from lamina.store.contract import BlobStore, Image, Lease


def receive_attestations(source: Source, blobs: BlobStore, lease: Lease, index: Index) -> None:
    """Bring what `index` has stated of its images, all of it that is statements.

    Raises DigestMismatch, and what the source raises.
    """
    for entry in index.manifests:
        if subject_of(entry) is None:
            continue
        raw = source.document(entry)
        manifest = Manifest.parse(raw, media_type=entry.media_type)
        if any(each.media_type != STATEMENT for each in manifest.layers):
            continue
        named = (manifest.config, *manifest.layers)
        lease.protect(entry.digest, *(each.digest for each in named))
        for blob in named:
            if not blobs.has(blob.digest):
                fetch_blob(source, blobs, blob)
        blobs.put_bytes(raw)


def fetch_blob(source: Source, blobs: BlobStore, blob: Descriptor) -> None:
    """Store a blob of the source as it is.  Raises DigestMismatch, and what the source raises."""
    import tempfile

    with source.blob(blob) as pieces, tempfile.TemporaryFile() as file:
        file.writelines(pieces)
        file.seek(0)
        blobs.put(file, expected=blob.digest, size=blob.size)


def stored_attestation(blobs: BlobStore, entry: Descriptor, subject: Digest) -> Attestation | None:
    """The attestation of an index's `entry`; None when it is not stored, or has something
    else in it than statements."""
    if not blobs.has(entry.digest):
        return None
    manifest = Manifest.parse(blobs.read(entry.digest), media_type=entry.media_type)
    if any(layer.media_type != STATEMENT for layer in manifest.layers):
        return None
    if not all(map(blobs.has, (layer.digest for layer in manifest.layers))):
        return None
    statements = tuple(
        Statement(layer.annotations.get(PREDICATE_TYPE, ""), blobs.read(layer.digest))
        for layer in manifest.layers
    )
    return Attestation(subject, statements, blobs.read(manifest.config.digest), manifest)


def with_statements(blobs: BlobStore, image: Image) -> Index | None:
    """An index of one image and what is stated of it; None when nothing is."""
    if image.row.descriptor.media_type not in mediatype.INDEXES:
        return None
    index = Index.parse(blobs.read(image.row.descriptor.digest))
    digest = image.manifest.digest
    entries = [each for each in index.manifests if digest in (each.digest, subject_of(each))]
    return Index.build(entries) if len(entries) > 1 else None


def send_attestation(attestation: Attestation, sink: Sink) -> Descriptor:
    """Send it; returns its entry in the index there."""
    named = (attestation.manifest.config, *attestation.manifest.layers)
    contents = attestation.blobs
    for blob in named:
        if not sink.has_blob(blob):
            sink.put_blob(blob, _once(contents[blob.digest]))
    sink.put_document(attestation.manifest.descriptor, attestation.manifest.raw)
    return attestation.descriptor


def _once(content: bytes) -> Callable[[], list[bytes]]:
    return lambda: [content]


def moved(entry: Descriptor, to: Descriptor) -> Descriptor:
    """An index's entry for a manifest that is another one there."""
    return msgspec.structs.replace(entry, digest=to.digest, size=to.size, media_type=to.media_type)
