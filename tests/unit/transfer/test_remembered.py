"""What was once compressed: its digest is known beforehand, and a wrong one does no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
import pytest

from lamina.layer.compression import GZIP_PARAMETERS, ZSTD_PARAMETERS
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.mediatype import Compression
from lamina.registry.errors import Interrupted
from lamina.store.contract import Image, Store
from lamina.store.errors import LayerDamaged
from lamina.transfer.push import PARAMETERS, push
from lamina.transfer.receive import ORIGIN
from tests.fakes.images import make_image
from tests.fakes.transfer import Collected, MemoryPlace
from tests.rights import needs_rights

FILES = {"etc/motd": b"hello\n", "bin/big": b"0123456789" * 200_000}
KINDS: list[tuple[Compression | None, str, str]] = [
    (None, mediatype.OCI_LAYER_GZIP, GZIP_PARAMETERS),
    ("gzip", mediatype.OCI_LAYER_GZIP, GZIP_PARAMETERS),
    ("zstd", mediatype.OCI_LAYER_ZSTD, ZSTD_PARAMETERS),
]
kinds = pytest.mark.parametrize(("compression", "media_type", "parameters"), KINDS)


@dataclass
class Watched(MemoryPlace):
    """Notes as well what it is asked for, and what comes with its digest known or not."""

    asked: list[Digest] = field(default_factory=list)
    named: list[Digest] = field(default_factory=list)
    streamed: list[Digest] = field(default_factory=list)

    def has_blob(self, descriptor: Descriptor) -> bool:
        self.asked.append(descriptor.digest)
        return super().has_blob(descriptor)

    def put_blob(self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]]) -> None:
        super().put_blob(descriptor, open_chunks)
        self.named.append(descriptor.digest)

    def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        found = super().put_stream(media_type, chunks)
        self.streamed.append(found.digest)
        return found


def send(
    store: Store,
    image: Image,
    *,
    target: str = "",
    compression: Compression | None = None,
    place: Watched | None = None,
    progress: Collected | None = None,
) -> Watched:
    """Push to a place that has nothing."""
    place = place or Watched()
    push(
        store,
        image,
        place,
        tag="v1",
        progress=progress or Collected(),
        target=target,
        compression=compression,
    )
    return place


def known(store: Store, image: Image) -> list[tuple[Digest, dict[str, str]]]:
    return [(each.digest, each.annotations) for each in store.layers.compressed(image.layers[0])]


def wrong(media_type: str, parameters: str, size: int = 5) -> Descriptor:
    """What another build of the compressor made, as if ours had."""
    digest = Digest.of(b"other")
    return Descriptor(media_type, digest, size, annotations={PARAMETERS: parameters})


@kinds
@pytest.mark.parametrize("target", ["", "reg.example/team/app"])
def test_whoever_compresses_remembers_how(
    store: Store, target: str, compression: Compression | None, media_type: str, parameters: str
) -> None:
    image = make_image(store, "app", FILES)
    place = send(store, image, target=target, compression=compression)
    (blob,) = place.streamed
    annotations = {PARAMETERS: parameters} | ({ORIGIN: target} if target else {})
    assert known(store, image) == [(blob, annotations)]
    (found,) = store.layers.compressed(image.layers[0])
    assert (found.media_type, found.size) == (media_type, len(place.blobs[blob]))


@kinds
def test_another_registry_is_asked_for_the_known_blob_and_gets_it_by_name(
    store: Store, compression: Compression | None, media_type: str, parameters: str
) -> None:
    image = make_image(store, "app", FILES)
    first = send(store, image, target="one.example/app", compression=compression)
    progress = Collected()
    other = send(store, image, target="two.example/app", compression=compression, progress=progress)
    blob, config = first.streamed[0], image.config.digest
    assert other.asked == [blob, config]
    assert other.streamed == []
    assert other.named == [blob, config]
    assert other.blobs == first.blobs
    assert known(store, image) == [
        (blob, {PARAMETERS: parameters, ORIGIN: "one.example/app"}),
        (blob, {PARAMETERS: parameters, ORIGIN: "two.example/app"}),
    ]
    assert progress.done == {image.layers[0].short: store.layers.info(image.layers[0]).tar_size}


def test_a_blob_known_from_two_places_is_asked_for_once(store: Store) -> None:
    image = make_image(store, "app", FILES)
    for target in ("one.example/app", "two.example/app"):
        send(store, image, target=target)
    third = send(store, image, target="three.example/app")
    assert len(third.asked) == len(set(third.asked)) == 2


def test_what_a_place_has_is_not_compressed(store: Store) -> None:
    image = make_image(store, "app", FILES)
    first = send(store, image)
    other = Watched(blobs=dict(first.blobs))
    progress = Collected()
    send(store, image, place=other, progress=progress)
    assert other.named == other.streamed == []
    assert progress.done == {}


@kinds
@pytest.mark.parametrize("size", [1, 10**9], ids=["shorter", "longer"])
def test_a_wrong_memory_is_noticed_and_mended(
    store: Store, compression: Compression | None, media_type: str, parameters: str, size: int
) -> None:
    image = make_image(store, "app", FILES)
    layer = image.layers[0]
    store.layers.remember_compressed(layer, wrong(media_type, parameters, size))
    place = send(store, image, compression=compression)
    (blob,) = place.streamed
    assert Digest.of(b"other") not in place.blobs
    assert known(store, image)[-1] == (blob, {PARAMETERS: parameters})
    again = send(store, image, compression=compression)
    assert again.streamed == []
    assert again.named == [blob, image.config.digest]


@kinds
def test_bytes_of_the_right_length_are_checked_too(
    store: Store, compression: Compression | None, media_type: str, parameters: str
) -> None:
    image = make_image(store, "app", FILES)
    (blob,) = send(store, image, compression=compression).streamed
    truth = store.layers.compressed(image.layers[0])[0]
    lie = msgspec.structs.replace(truth, digest=Digest.of(b"other"))
    store.layers.remember_compressed(image.layers[0], lie)
    place = send(store, image, compression=compression)
    assert place.streamed == [blob]
    assert lie.digest not in place.blobs


def test_progress_counts_once_though_it_was_compressed_twice(store: Store) -> None:
    class Restarted(Collected):
        def start(self, item: str, what: str, total: int | None) -> None:
            super().start(item, what, total)
            self.done[item] = 0

    image = make_image(store, "app", FILES)
    layer = image.layers[0]
    lie = wrong(mediatype.OCI_LAYER_GZIP, GZIP_PARAMETERS, 10**9)
    store.layers.remember_compressed(layer, lie)
    progress = Restarted()
    send(store, image, progress=progress)
    assert progress.done == {layer.short: store.layers.info(layer).tar_size}


@pytest.mark.parametrize("parameters", ["", "gzip, isal 1.0.0, level 9"])
def test_what_other_parameters_made_is_made_anew(store: Store, parameters: str) -> None:
    image = make_image(store, "app", FILES)
    layer = image.layers[0]
    store.layers.remember_compressed(layer, wrong(mediatype.OCI_LAYER_GZIP, parameters))
    place = send(store, image)
    assert place.named == [image.config.digest]
    assert known(store, image)[-1] == (place.streamed[0], {PARAMETERS: GZIP_PARAMETERS})


def test_the_memory_of_one_compression_says_nothing_of_another(store: Store) -> None:
    image = make_image(store, "app", FILES)
    (gzip,) = send(store, image, compression="gzip").streamed
    (zstd,) = send(store, image, compression="zstd").streamed
    assert send(store, image, compression="gzip").named[0] == gzip
    assert send(store, image, compression="zstd").named[0] == zstd


@needs_rights
def test_a_layer_damaged_since_is_not_sent_by_its_known_digest(store: Store) -> None:
    image = make_image(store, "app", FILES)
    layer = image.layers[0]
    send(store, image)
    (store.root / "layers" / layer.hex / "fs/etc/motd").write_bytes(b"hullo\n")
    place = Watched()
    with pytest.raises(LayerDamaged, match="not those that were stored"):
        send(store, image, place=place)
    assert place.blobs == {}


def test_annotations_of_the_memory_do_not_get_out(store: Store) -> None:
    image = make_image(store, "app", FILES)
    for place in (send(store, image), send(store, image)):
        assert b"dev.lamina" not in place.document(place.resolve())


@pytest.mark.parametrize("times", [1, 2])
def test_a_stream_that_the_registry_lost_is_made_once_more(store: Store, times: int) -> None:
    class Losing(Watched):
        left = times

        def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
            if self.left:
                self.left -= 1
                next(iter(chunks))
                raise Interrupted("reg.example: the connection broke")
            return super().put_stream(media_type, chunks)

    image = make_image(store, "app", FILES)
    place = Losing()
    if times == 1:
        send(store, image, place=place)
        assert known(store, image)[0][0] == place.streamed[0]
    else:
        with pytest.raises(Interrupted):
            send(store, image, place=place)
        assert known(store, image) == []
