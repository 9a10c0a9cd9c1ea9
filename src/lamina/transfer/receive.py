"""From any source into the store: documents, then layers in one pass each, the name last."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event

import msgspec

from lamina.layer.contract import LayerInfo
from lamina.layer.pipeline import Tally, reading, staged, tallied
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Index, Manifest, NoSuchPlatform
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.registry.contract import Source
from lamina.store.contract import Image, Lease, Store
from lamina.store.errors import DigestMismatch, SizeMismatch
from lamina.transfer.attached import receive_attached
from lamina.transfer.attestations import receive_attestations
from lamina.transfer.parallel import Stopped, run_all
from lamina.transfer.progress import Progress

ORIGIN = "dev.lamina.origin"
"""Annotation on a known compressed blob: the repository that has it."""
_AT_ONCE = 3
_MAX_DEPTH = 4
"""Indexes inside indexes; real ones have one level."""
_LEAST_LIMIT = 16 << 30
_MOST_EXPANSION = 100


class Documents(msgspec.Struct, frozen=True):
    """One image as its source tells of it, nothing of it stored yet."""

    manifest: Manifest
    config: ImageConfig
    what: str
    """What errors call it."""

    @property
    def pairs(self) -> list[tuple[Descriptor, Digest]]:
        """Each layer's blob and diff_id, the lowest first."""
        return list(zip(self.manifest.layers, self.config.diff_ids, strict=True))


def receive(
    source: Source,
    store: Store,
    reference: Reference | None,
    *,
    platform: Platform,
    progress: Progress,
    what: str,
    origin: str = "",
    all_platforms: bool = False,
) -> Image:
    """Bring the image that `source` stands for into the store and name it `reference`.

    Of an index the best image for `platform` is taken, or with `all_platforms`
    every one and what is stated of them, and the index is kept.  `origin` is
    the repository it comes from (`docker.io/library/debian`): it is noted as a
    repo digest, and as a place to mount the blobs from.  `what` names the image in errors.

    What Lamina understands of what is attached to an image comes along; the
    layers of that only from where they cannot be fetched later (`bring_layers`).

    Layers that the store has are not fetched.  Constant memory.  All or
    nothing as far as names go: the name is set when everything is stored.
    Layers stored before a failure stay, and gc takes them or the next try
    finds them.

    Raises NoSuchPlatform, NotAnImage, BadDocument; Corrupt kinds where bytes
    are not what was announced; what the source and the store raise.
    """
    top = source.resolve()
    repo_digests = (f"{origin}@{top.digest}",) if origin else ()
    with store.leases.hold() as lease:
        lease.protect(top.digest)
        if top.media_type not in mediatype.INDEXES or not all_platforms:
            documents = read_documents(source, top, platform=platform, what=what)
            if platform.rank(documents.config.platform) is None:
                progress.note(
                    f"WARNING: {what} is for {documents.config.platform}, not for {platform}"
                )
            artifacts = _fetch_layers(source, store, lease, [documents], origin, progress)
            image = store.images.add(
                documents.manifest, documents.config, reference, repo_digests=repo_digests
            )
            _attach(store, image, artifacts)
            if origin:
                progress.note(f"Digest: {top.digest}")
            return image
        index = _read_index(source, top, what)
        images = [
            read_documents(source, each, platform=each.platform or platform, what=what)
            for each in index.images()
        ]
        artifacts = _fetch_layers(source, store, lease, images, origin, progress)
        if not images:
            raise NoSuchPlatform("the index has no image in it")
        receive_attestations(source, store.blobs, lease, index)
        image = store.images.add_index(
            index,
            [(each.manifest, each.config) for each in images],
            reference,
            platform=platform,
            repo_digests=repo_digests,
        )
        for each in images:
            _attach(store, Image(image.row, each.manifest, each.config), artifacts)
        return image


def _attach(store: Store, image: Image, artifacts: Sequence[Artifact]) -> None:
    for each in artifacts:
        if each.subject.digest == image.manifest.digest:
            store.images.attach(image, each)


def read_documents(
    source: Source, descriptor: Descriptor, *, platform: Platform, what: str
) -> Documents:
    """The manifest and config that `descriptor` leads to, through indexes by `platform`.

    Raises NoSuchPlatform, NotAnImage, BadDocument.
    """
    for _ in range(_MAX_DEPTH):
        if descriptor.media_type not in mediatype.INDEXES:
            break
        descriptor = _read_index(source, descriptor, what).select(platform, what=what)
    else:
        raise BadDocument(f"{what} has indexes inside indexes without end")
    raw = source.document(descriptor)
    manifest = Manifest.parse(raw, media_type=descriptor.media_type, what=f"manifest of {what}")
    manifest.require_image(what)
    config = ImageConfig.parse(source.document(manifest.config), what=f"config of {what}")
    if len(config.diff_ids) != len(manifest.layers):
        raise BadDocument(
            f"{what} has {len(manifest.layers)} layers in its manifest"
            f" and {len(config.diff_ids)} in its config"
        )
    return Documents(manifest, config, what)


def _read_index(source: Source, descriptor: Descriptor, what: str) -> Index:
    return Index.parse(
        source.document(descriptor), media_type=descriptor.media_type, what=f"index of {what}"
    )


def _fetch_layers(
    source: Source,
    store: Store,
    lease: Lease,
    images: list[Documents],
    origin: str,
    progress: Progress,
) -> list[Artifact]:
    """Every layer of `images` that the store has not, several at once; meanwhile what is
    attached to them is looked for, and returned."""
    for each in images:
        lease.protect(each.manifest.digest, each.config.digest, *each.config.diff_ids)
    missing: dict[Digest, Descriptor] = {}
    for descriptor, diff_id in (pair for each in images for pair in each.pairs):
        if diff_id in missing:
            continue
        if store.layers.has(diff_id):
            progress.finish(descriptor.digest.short, "Already exists")
            remember(store, diff_id, descriptor, origin)
        else:
            missing[diff_id] = descriptor

    def fetching(diff_id: Digest, descriptor: Descriptor) -> Callable[[Event], None]:
        def work(stop: Event) -> None:
            fetch_layer(source, store, descriptor, diff_id, progress=progress, stop=stop)
            remember(store, diff_id, descriptor, origin)

        return work

    def listing(image: Documents) -> Callable[[Event], list[Artifact]]:
        def work(stop: Event) -> list[Artifact]:
            return receive_attached(
                source,
                store,
                lease,
                image.manifest.digest,
                what=image.what,
                progress=progress,
                fetch=lambda blob, diff_id: fetch_layer(
                    source, store, blob, diff_id, progress=progress, stop=stop
                ),
                later=bool(origin),
            )

        return work

    work = [*map(listing, images), *(fetching(*each) for each in missing.items())]
    return [each for found in run_all(work, width=_AT_ONCE + 1) for each in found or ()]


def remember(store: Store, diff_id: Digest, descriptor: Descriptor, origin: str) -> None:
    """Note the blob for a later push, unless it is only the tar itself."""
    if descriptor.digest == diff_id and not origin:
        return
    annotations = {ORIGIN: origin} if origin else {}
    store.layers.remember_compressed(
        diff_id,
        Descriptor(
            descriptor.media_type,
            descriptor.digest,
            descriptor.size,
            urls=descriptor.urls,
            annotations=annotations,
        ),
    )


def fetch_layer(
    source: Source,
    store: Store,
    descriptor: Descriptor,
    diff_id: Digest,
    *,
    progress: Progress,
    stop: Event,
) -> LayerInfo:
    """One layer in one pass: fetch, digest, decompress and unpack overlap in threads.

    Raises DigestMismatch, SizeMismatch, BadCompression, DiffIdMismatch, BadLayer:
    then nothing of the layer stays.
    """
    # Whoever has all layers already waits for no decompressors.
    from lamina.layer.compression import decompress

    item = descriptor.digest.short
    progress.start(item, "Downloading", descriptor.size)
    tally = Tally()
    with source.blob(descriptor) as body:
        pieces = _metered(body, descriptor, item, progress, stop)
        # An uncompressed blob is its own tar: its digest is the diff_id, which ingest checks.
        if descriptor.digest != diff_id:
            pieces = tallied(pieces, tally)
        tar = decompress(
            staged(pieces),
            mediatype.layer_compression(descriptor.media_type),
            limit=expansion_limit(descriptor),
            what=f"layer {item}",
        )
        if descriptor.digest != diff_id:
            tar = _verified(tar, tally, descriptor)
        with reading(staged(tar)) as stream:
            info = store.layers.ingest(stream, expected=diff_id)
    progress.finish(item, "Pull complete")
    return info


def expansion_limit(descriptor: Descriptor) -> int:
    """Bytes that a layer's blob may become when it is inflated."""
    return max(_LEAST_LIMIT, _MOST_EXPANSION * descriptor.size)


def _metered(
    chunks: Iterable[bytes], descriptor: Descriptor, item: str, progress: Progress, stop: Event
) -> Iterator[bytes]:
    """The same pieces, counted; stops at once when told to or when there are too many."""
    size = 0
    for piece in chunks:
        if stop.is_set():
            raise Stopped
        size += len(piece)
        if size > descriptor.size:
            raise SizeMismatch(descriptor.digest, descriptor.size, size)
        progress.advance(item, len(piece))
        yield piece
    if size != descriptor.size:
        raise SizeMismatch(descriptor.digest, descriptor.size, size)


def _verified(tar: Iterable[bytes], tally: Tally, descriptor: Descriptor) -> Iterator[bytes]:
    """The same pieces; at their end the blob they came from must be the one announced."""
    with reading(tar) as source:
        yield from source
    if tally.digest != descriptor.digest:
        raise DigestMismatch(descriptor.digest, tally.digest)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
