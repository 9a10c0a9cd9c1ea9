"""push: an image from the store to a registry, a layout or an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event

import msgspec

from lamina.layer.compression import compress_gzip, compress_zstd
from lamina.layer.pipeline import Tally, reading, staged, tallied
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.mediatype import Compression
from lamina.registry.contract import Sink
from lamina.store.contract import Image, NamedImage, Store
from lamina.store.errors import LayerDamaged
from lamina.transfer.parallel import Stopped, run_all
from lamina.transfer.progress import Progress
from lamina.transfer.receive import ORIGIN, cores

_TYPES = {
    "none": mediatype.OCI_LAYER,
    "gzip": mediatype.OCI_LAYER_GZIP,
    "zstd": mediatype.OCI_LAYER_ZSTD,
}


def push(
    store: Store,
    image: Image,
    sink: Sink,
    *,
    tag: str,
    progress: Progress,
    target: str = "",
    compression: Compression | None = None,
    at_once: int = 2,
) -> Descriptor:
    """Send `image` to `sink`, under `tag` if given; returns the descriptor it has there.

    A layer whose compressed form the sink is known to have, or can take over
    from another repository of the same registry, is not sent.  Others are put
    together from the store, checked against their diff_id, compressed and
    sent in one pass: a damaged layer is not completed.  `compression` None
    keeps what a layer is known as and makes gzip of the others.  `target` is
    the sink's repository (`ghcr.io/me/app`), for mounting now and later.
    `at_once` layers are sent in parallel; with 1 they arrive in their order.

    The config goes as it is, so the image id stays; the manifest too, if no
    layer came out as another blob than it says.

    Raises LayerDamaged, LayerNotFound, and what the sink raises.
    """

    def sending(diff_id: Digest) -> Callable[[Event], Descriptor]:
        return lambda stop: _send_layer(
            store, sink, diff_id, progress, stop, target=target, compression=compression
        )

    unique = list(dict.fromkeys(image.layers))
    sent = dict(zip(unique, run_all(map(sending, unique), width=at_once), strict=True))
    manifest = _with_layers(image.manifest, [sent[each] for each in image.layers])
    if not sink.has_blob(manifest.config):
        sink.put_blob(manifest.config, lambda: [image.config.raw])
    sink.put_document(manifest.descriptor, manifest.raw, tag=tag)
    return manifest.descriptor


def push_index(
    store: Store,
    index: Index,
    images: list[Image],
    sink: Sink,
    *,
    tag: str,
    progress: Progress,
    target: str = "",
    compression: Compression | None = None,
) -> Descriptor:
    """Send every image of `index`, in its order, and then the index; see `push`."""
    sent = {
        image.manifest.digest: push(
            store, image, sink, tag="", progress=progress, target=target, compression=compression
        )
        for image in images
    }
    entries = [
        msgspec.structs.replace(each, digest=new.digest, size=new.size, media_type=new.media_type)
        for each in index.manifests
        if (new := sent.get(each.digest)) is not None
    ]
    if tuple(entries) != index.manifests:
        index = Index.build(entries)
    sink.put_document(index.descriptor, index.raw, tag=tag)
    return index.descriptor


def images_of(store: Store, row: NamedImage) -> tuple[Index, list[Image]] | None:
    """The index that a row stands for and the images in it; None for a single image."""
    if row.descriptor.media_type not in mediatype.INDEXES:
        return None
    index = Index.parse(store.blobs.read(row.descriptor.digest))
    images = []
    for each in index.images():
        manifest = Manifest.parse(store.blobs.read(each.digest), media_type=each.media_type)
        config = ImageConfig.parse(store.blobs.read(manifest.config.digest))
        images.append(Image(row, manifest, config))
    return index, images


def _with_layers(manifest: Manifest, layers: list[Descriptor]) -> Manifest:
    """`manifest` as it is if its layers are these blobs; else a new one over them."""
    if [each.digest for each in manifest.layers] == [each.digest for each in layers]:
        return manifest
    config = msgspec.structs.replace(manifest.config, media_type=mediatype.OCI_CONFIG)
    return Manifest.build(config, layers, annotations=manifest.annotations)


def _send_layer(
    store: Store,
    sink: Sink,
    diff_id: Digest,
    progress: Progress,
    stop: Event,
    *,
    target: str,
    compression: Compression | None,
) -> Descriptor:
    """One layer: found at the sink, taken over from a neighbour, or sent."""
    item = diff_id.short
    size = store.layers.info(diff_id).tar_size
    for known in store.layers.compressed(diff_id) if compression != "none" else ():
        found = mediatype.layer_compression(known.media_type)
        if compression is not None and found != compression:
            continue
        plain = Descriptor(_layer_type(known), known.digest, known.size, urls=known.urls)
        if mediatype.is_foreign(known.media_type) or sink.has_blob(plain):
            progress.finish(item, "Layer already exists")
            return plain
        origin = _neighbour(known.annotations.get(ORIGIN, ""), target)
        if origin and sink.mount_blob(plain, origin):
            progress.finish(item, f"Mounted from {origin}")
            return plain
    progress.start(item, "Pushing", size)
    if compression == "none":
        sent = Descriptor(mediatype.OCI_LAYER, diff_id, size)
        if not sink.has_blob(sent):
            sink.put_blob(sent, lambda: _checked_tar(store, diff_id, item, progress, stop))
    else:
        kind = compression or "gzip"
        compress = compress_zstd if kind == "zstd" else compress_gzip
        tar = staged(_checked_tar(store, diff_id, item, progress, stop))
        with reading(compress(tar, threads=cores())) as packed:
            sent = sink.put_stream(_TYPES[kind], packed)
        if target:
            store.layers.remember_compressed(
                diff_id, msgspec.structs.replace(sent, annotations={ORIGIN: target})
            )
    progress.finish(item, "Pushed")
    return sent


def _layer_type(known: Descriptor) -> str:
    """The OCI media type for a blob that may be known under Docker's."""
    if mediatype.is_foreign(known.media_type):
        return known.media_type
    return _TYPES[mediatype.layer_compression(known.media_type) or "gzip"]


def _neighbour(origin: str, target: str) -> str:
    """The repository of `origin`, if it is another one of the registry of `target`; else empty."""
    registry, _, repository = origin.partition("/")
    return repository if origin != target and registry == target.partition("/")[0] else ""


def _checked_tar(
    store: Store, diff_id: Digest, item: str, progress: Progress, stop: Event
) -> Iterator[bytes]:
    """The layer's tar; raises before its end if it is not what its diff_id says."""
    tally = Tally()
    with reading(tallied(staged(store.layers.tar(diff_id)), tally)) as pieces:
        for piece in pieces:
            if stop.is_set():
                raise Stopped
            progress.advance(item, len(piece))
            yield piece
    if tally.digest != diff_id:
        raise LayerDamaged(diff_id, "its files are not those that were stored")
