"""push: an image from the store to a registry, a layout or an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from threading import Event
from typing import Protocol

import msgspec

from lamina.layer.pipeline import Tally, reading, staged, tallied
from lamina.oci import mediatype
from lamina.oci.attestation import subject_of
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.mediatype import Compression
from lamina.registry.contract import Sink
from lamina.registry.errors import Interrupted, ServerFailed
from lamina.store.contract import Image, NamedImage, Store
from lamina.store.errors import LayerDamaged
from lamina.transfer.attached import send_attached
from lamina.transfer.attestations import moved, send_attestation, stored_attestation
from lamina.transfer.parallel import Stopped, run_all
from lamina.transfer.progress import Progress
from lamina.transfer.receive import ORIGIN, cores

PARAMETERS = "dev.lamina.compression"
"""Annotation on a known compressed blob that Lamina made: the parameters it was made with
(layer/compression.py).  Empty when they were seen to make another blob here."""
_AHEAD = 12
"""Compressed pieces, of about half a MiB, that are made while a sink is busy with others."""
_MEDIA_TYPES: dict[Compression, str] = {
    "gzip": mediatype.OCI_LAYER_GZIP,
    "zstd": mediatype.OCI_LAYER_ZSTD,
}


class _Compress(Protocol):
    def __call__(self, chunks: Iterable[bytes], *, threads: int) -> Iterator[bytes]: ...


class _Form(msgspec.Struct, frozen=True):
    """One compression: its media type, and who makes it."""

    media_type: str
    compress: _Compress
    parameters: str


@cache
def _forms() -> Mapping[str, _Form]:
    """By name; most layers are at the sink already, or go as they are, and wait for neither."""
    from lamina.layer import compression as made

    return {
        "gzip": _Form(_MEDIA_TYPES["gzip"], made.compress_gzip, made.GZIP_PARAMETERS),
        "zstd": _Form(_MEDIA_TYPES["zstd"], made.compress_zstd, made.ZSTD_PARAMETERS),
    }


class _OtherBytes(Exception):
    """A layer that was compressed before came out as another blob this time."""


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
    layer came out as another blob than it says.  What is attached to the image
    follows, about the manifest that it has there.

    Raises LayerDamaged, LayerNotFound, and what the sink raises.
    """
    send_layers = partial(
        push_layers,
        store,
        sink=sink,
        progress=progress,
        target=target,
        compression=compression,
        at_once=at_once,
    )
    sent = send_layers(image.layers)
    manifest = _with_layers(image.manifest, [sent[each] for each in image.layers])
    if not sink.has_blob(manifest.config):
        sink.put_blob(manifest.config, lambda: [image.config.raw])
    sink.put_document(manifest.descriptor, manifest.raw, tag=tag)
    came_from = (each.partition("@")[0] for each in image.row.repo_digests)
    send_attached(
        store,
        image,
        sink,
        manifest.descriptor,
        origins=[near for each in came_from if (near := neighbour(each, target))],
        progress=progress,
        send_layers=send_layers,
    )
    return manifest.descriptor


def push_layers(
    store: Store,
    layers: Iterable[Digest],
    sink: Sink,
    *,
    progress: Progress,
    target: str = "",
    compression: Compression | None = None,
    at_once: int = 2,
) -> dict[Digest, Descriptor]:
    """Send layers, given by their diff_ids, and say as which blob each is there; see `push`."""

    def sending(diff_id: Digest) -> Callable[[Event], Descriptor]:
        return lambda stop: _Layer(store, sink, diff_id, progress, stop, target).send(compression)

    unique = list(dict.fromkeys(layers))
    return dict(zip(unique, run_all(map(sending, unique), width=at_once), strict=True))


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
    at_once: int = 2,
) -> Descriptor:
    """Send every image of `index`, in its order, and then the index; see `push`.

    What is stated of the images goes with them, about the manifests that they have there.
    """
    sent = {
        image.manifest.digest: push(
            store,
            image,
            sink,
            tag="",
            progress=progress,
            target=target,
            compression=compression,
            at_once=at_once,
        )
        for image in images
    }
    entries = []
    for each in index.manifests:
        subject = subject_of(each)
        if (new := sent.get(each.digest)) is not None:
            entries.append(moved(each, new))
        elif subject is not None and (new := sent.get(subject)) is not None:
            attestation = stored_attestation(store.blobs, each, subject)
            if attestation is not None:
                entries.append(send_attestation(attestation.about(new.digest), sink))
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


class _Layer(msgspec.Struct, frozen=True):
    """One layer on its way to a sink."""

    store: Store
    sink: Sink
    diff_id: Digest
    progress: Progress
    stop: Event
    target: str

    def send(self, compression: Compression | None) -> Descriptor:
        """Find it at the sink, have it taken over from a neighbour, or send it."""
        if compression == "none":
            return self._send_plain()
        known = [
            each
            for each in self.store.layers.compressed(self.diff_id)
            if compression in (None, mediatype.layer_compression(each.media_type))
        ]
        found = self._find(known)
        if found is not None:
            return found
        form = _forms()[compression or "gzip"]
        sent = _made_before(known, form)
        again = sent is not None and self._send_again(sent, form)
        if sent is None or not again:
            sent = self._send_new(form)
        if self.target or not again:
            self._remember(sent, form.parameters)
        self.progress.finish(self.diff_id.short, "Pushed")
        return sent

    def _find(self, known: list[Descriptor]) -> Descriptor | None:
        """The first of the known blobs that the sink has, or takes over."""
        item = self.diff_id.short
        missing: set[Digest] = set()
        for each in known:
            plain = Descriptor(as_oci(each), each.digest, each.size, urls=each.urls)
            foreign = mediatype.is_foreign(each.media_type)
            if foreign or (plain.digest not in missing and self.sink.has_blob(plain)):
                self.progress.finish(item, "Layer already exists")
                return plain
            missing.add(plain.digest)
            origin = neighbour(each.annotations.get(ORIGIN, ""), self.target)
            if origin and self.sink.mount_blob(plain, origin):
                self.progress.finish(item, f"Mounted from {origin}")
                return plain
        return None

    def _send_plain(self) -> Descriptor:
        blob = Descriptor(mediatype.OCI_LAYER, self.diff_id, self._start())
        if not self.sink.has_blob(blob):
            self.sink.put_blob(blob, self._checked_tar)
        self.progress.finish(self.diff_id.short, "Pushed")
        return blob

    def _send_new(self, form: _Form) -> Descriptor:
        """Compress and send it, once more if the sink has lost what it had of it."""
        try:
            return self._stream(form)
        except (Interrupted, ServerFailed):
            return self._stream(form)

    def _stream(self, form: _Form) -> Descriptor:
        """Compress and send it; its digest is known at the end."""
        self._start()
        tar = staged(self._checked_tar(), depth=4)
        packed = staged(form.compress(tar, threads=cores()), depth=_AHEAD)
        with reading(packed) as pieces:
            return self.sink.put_stream(form.media_type, pieces)

    def _send_again(self, blob: Descriptor, form: _Form) -> bool:
        """Compress and send it as `blob`; False when another one comes out.

        Its tar need not be hashed: the blob that it makes tells.
        """

        def open_chunks() -> Iterator[bytes]:
            self._start()
            tar = staged(self._tar(), depth=4)
            return _held_to(blob, staged(form.compress(tar, threads=cores()), depth=_AHEAD))

        try:
            self.sink.put_blob(blob, open_chunks)
        except _OtherBytes:
            self._remember(blob, "")
            return False
        return True

    def _start(self) -> int:
        """Begin to show it; returns the bytes of its tar."""
        size = self.store.layers.info(self.diff_id).tar_size
        self.progress.start(self.diff_id.short, "Pushing", size)
        return size

    def _remember(self, blob: Descriptor, parameters: str) -> None:
        annotations = {PARAMETERS: parameters} | ({ORIGIN: self.target} if self.target else {})
        self.store.layers.remember_compressed(
            self.diff_id, msgspec.structs.replace(blob, annotations=annotations)
        )

    def _tar(self) -> Iterator[bytes]:
        """The layer's tar, unchecked."""
        with reading(self.store.layers.tar(self.diff_id)) as pieces:
            for piece in pieces:
                if self.stop.is_set():
                    raise Stopped
                self.progress.advance(self.diff_id.short, len(piece))
                yield piece

    def _checked_tar(self) -> Iterator[bytes]:
        """The layer's tar; raises before its end if it is not what its diff_id says."""
        tally = Tally()
        with reading(tallied(self._tar(), tally)) as pieces:
            yield from pieces
        if tally.digest != self.diff_id:
            raise LayerDamaged(self.diff_id, "its files are not those that were stored")


def _made_before(known: list[Descriptor], form: _Form) -> Descriptor | None:
    """The blob that `form` makes of the layer, if it did so before."""
    made = [
        each
        for each in known
        if PARAMETERS in each.annotations
        and mediatype.layer_compression(each.media_type)
        == mediatype.layer_compression(form.media_type)
    ]
    if not made or made[-1].annotations[PARAMETERS] != form.parameters:
        return None
    return Descriptor(form.media_type, made[-1].digest, made[-1].size)


def _held_to(blob: Descriptor, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces; raises _OtherBytes before the last if they are not those of `blob`."""
    tally = Tally()
    held = b""
    with reading(tallied(pieces, tally)) as source:
        for piece in source:
            if tally.size > blob.size:
                raise _OtherBytes
            if held:
                yield held
            held = piece
    if (tally.digest, tally.size) != (blob.digest, blob.size):
        raise _OtherBytes
    yield held


def as_oci(known: Descriptor) -> str:
    """The OCI media type for a layer's blob that may be known under Docker's."""
    if mediatype.is_foreign(known.media_type):
        return known.media_type
    compression = mediatype.layer_compression(known.media_type) or "gzip"
    return _MEDIA_TYPES.get(compression, mediatype.OCI_LAYER)


def neighbour(origin: str, target: str) -> str:
    """The repository of `origin`, if it is another one of the registry of `target`; else empty."""
    registry, _, repository = origin.partition("/")
    return repository if origin != target and registry == target.partition("/")[0] else ""
