"""Artifacts on their way with the image that they are attached to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lamina.errors import EngineError, Invalid, NotFound, Unsupported
from lamina.oci.artifact import EMPTY, OUR_TYPES, Artifact, diff_id_of
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.registry.contract import Sink, Source
from lamina.store.contract import BlobStore, Image, Lease, Store
from lamina.transfer.attestations import fetch_blob
from lamina.transfer.progress import Progress

_MOST = 64 << 20
"""Bytes of an artifact's documents that come along unasked."""
_MOST_ARTIFACTS = 100
_EMPTY = Digest.of(EMPTY)
"""Which every store can make itself."""


def send_attached(
    store: Store,
    image: Image,
    sink: Sink,
    to: Descriptor,
    *,
    origins: Sequence[str],
    progress: Progress,
    send_layers: Callable[[Iterable[Digest]], Mapping[Digest, Descriptor]],
) -> None:
    """Send what is attached to `image`, about the manifest `to` that it has there.

    `send_layers` sends layers of the store and says as which blobs they are there.  A layer
    that was never brought here is not: the sink has it or takes it over from one of `origins`,
    neighbours that the image came from; else a note says that the artifact does not go along.
    """
    if not sink.attaches:
        return
    for artifact in store.images.attached(image.manifest.digest):
        here = [each for each in artifact.diff_ids if store.layers.has(each)]
        moved = artifact.about(to, send_layers(here))
        lacking = [
            each
            for each in moved.manifest.layers
            if not sink.has_blob(each)
            and not _send_blob(store.blobs, each, sink)
            and not any(sink.mount_blob(each, origin) for origin in origins)
        ]
        if lacking:
            progress.note(
                f"WARNING: {artifact.artifact_type} is not sent along: its layer"
                f" {lacking[0].digest.short} was not brought here"
            )
            continue
        if not sink.has_blob(moved.manifest.config):
            _send_blob(store.blobs, moved.manifest.config, sink)
        sink.put_referrer(moved.descriptor, moved.manifest.raw, to.digest)


def _send_blob(blobs: BlobStore, blob: Descriptor, sink: Sink) -> bool:
    """Send a stored blob; False when it is not stored."""
    if not blobs.has(blob.digest):
        return False

    def pieces() -> Iterator[bytes]:
        with blobs.open(blob.digest) as file:
            while piece := file.read(1 << 20):
                yield piece

    sink.put_blob(blob, pieces)
    return True


def attached_there(source: Source, subject: Digest, *, types: str = "") -> Iterator[Artifact]:
    """What is attached to a manifest at its source, of the types that begin with `types`.

    A list may tell of what is gone, or of what is about another manifest: that is left out.
    Raises what the source raises.
    """
    for entry in source.referrers(subject):
        if not entry.artifact_type.startswith(types):
            continue
        try:
            raw = source.document(Descriptor(entry.media_type, entry.digest, entry.size))
            artifact = Artifact.read(Manifest.parse(raw, media_type=entry.media_type))
        except (NotFound, Invalid, Unsupported):
            continue
        if artifact.subject.digest == subject:
            yield artifact


def receive_attached(
    source: Source,
    store: Store,
    lease: Lease,
    subject: Digest,
    *,
    what: str,
    progress: Progress,
    fetch: Callable[[Descriptor, Digest], object],
    later: bool,
) -> list[Artifact]:
    """Bring what Lamina understands of what is attached to `subject`: its documents, and its
    layers by `fetch`.  When those may come `later`, only such as the store could not tell from
    layers of its own: plain tars.

    A failure is told and costs nothing but the artifact: the image is what was asked for.
    """
    found: list[Artifact] = []
    try:
        known = attached_there(source, subject, types=OUR_TYPES)
        for artifact in islice(known, _MOST_ARTIFACTS):
            if sum(each.size for each in artifact.documents) > _MOST:
                progress.note(f"WARNING: what is attached to {what} is too large to come along")
                continue
            _receive(source, store, lease, artifact, fetch, later=later)
            found.append(artifact)
    except EngineError as error:
        progress.note(f"WARNING: what is attached to {what} was not brought along: {error}")
    return found


def _receive(
    source: Source,
    store: Store,
    lease: Lease,
    artifact: Artifact,
    fetch: Callable[[Descriptor, Digest], object],
    *,
    later: bool,
) -> None:
    documents = [each for each in artifact.documents if each.digest != _EMPTY]
    lease.protect(artifact.digest, *artifact.diff_ids, *(each.digest for each in documents))
    for each in documents:
        if not store.blobs.has(each.digest):
            fetch_blob(source, store.blobs, each)
    for each in artifact.manifest.layers:
        diff_id = diff_id_of(each)
        if diff_id is None or store.layers.has(diff_id) or (later and each.digest != diff_id):
            continue
        fetch(each, diff_id)
