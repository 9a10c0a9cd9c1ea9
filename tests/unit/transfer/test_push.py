"""Pushing: what is sent, what is found or taken over there, and what a damaged layer does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest

from lamina.layer.compression import decompress
from lamina.oci import mediatype
from lamina.oci.attestation import Attestation, Statement, subject_of
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.mediatype import Compression
from lamina.store.contract import Image, Store
from lamina.store.errors import LayerDamaged
from lamina.store.root import open_store
from lamina.transfer.progress import Silent
from lamina.transfer.pull import pull
from lamina.transfer.push import images_of, push, push_index
from lamina.transfer.receive import ORIGIN
from tests.fakes.images import make_image
from tests.fakes.transfer import Collected, MemoryPlace
from tests.rights import needs_rights
from tests.unit.transfer.material import AMD64, ARM64, put, put_image, put_index, put_manifest
from tests.unit.transfer.test_pull import NAME

FILES = {"etc/motd": b"hello\n", "bin/big": b"0123456789" * 20_000}
OTHER = {"etc/issue": b"other\n"}
TARGET = "reg.example/team/app"


def send(
    store: Store,
    image: Image,
    place: MemoryPlace,
    *,
    progress: Collected | None = None,
    target: str = TARGET,
    compression: Compression | None = None,
) -> Manifest:
    sent = push(
        store,
        image,
        place,
        tag="v1",
        progress=progress or Collected(),
        target=target,
        compression=compression,
    )
    assert place.resolve() == sent
    return Manifest.parse(place.document(sent))


def unpacked(place: MemoryPlace, layer: Descriptor) -> bytes:
    compression = mediatype.layer_compression(layer.media_type)
    return b"".join(decompress([place.blobs[layer.digest]], compression, limit=None))


@pytest.mark.parametrize("compression", [None, "gzip", "zstd", "none"])
def test_the_layers_there_unpack_to_the_diff_ids(
    store: Store, compression: Compression | None
) -> None:
    image = make_image(store, "app", FILES, OTHER)
    place = MemoryPlace()
    manifest = send(store, image, place, compression=compression)
    assert [Digest.of(unpacked(place, each)) for each in manifest.layers] == list(image.layers)
    kinds = {mediatype.layer_compression(each.media_type) for each in manifest.layers}
    assert kinds == {compression or "gzip"}


def test_any_gzip_reads_what_was_sent(store: Store) -> None:
    image = make_image(store, "app", FILES)
    place = MemoryPlace()
    (layer,) = send(store, image, place).layers
    assert Digest.of(gzip.decompress(place.blobs[layer.digest])) == image.layers[0]


def test_the_image_id_stays(store: Store) -> None:
    image = make_image(store, "app", FILES)
    place = MemoryPlace()
    manifest = send(store, image, place)
    assert manifest.config.digest == image.config.digest
    assert place.blobs[manifest.config.digest] == image.config.raw


def test_the_name_comes_last(store: Store) -> None:
    place = MemoryPlace()
    manifest = send(store, make_image(store, "app", FILES, OTHER), place)
    assert place.calls[-1] == ("document", manifest.digest)


def test_a_push_again_sends_no_blob(store: Store) -> None:
    image = make_image(store, "app", FILES, OTHER)
    place, progress = MemoryPlace(), Collected()
    first = send(store, image, place)
    place.calls.clear()
    assert send(store, image, place, progress=progress).raw == first.raw
    assert place.did("put") == []
    assert {what for _, what in progress.finished} == {"Layer already exists"}


def test_a_layer_that_comes_twice_is_sent_once(store: Store) -> None:
    image = make_image(store, "app", FILES, OTHER, FILES)
    place = MemoryPlace()
    manifest = send(store, image, place)
    assert manifest.layers[0] == manifest.layers[2]
    assert place.did("put").count(manifest.layers[0].digest) == 1


def test_what_was_pulled_goes_back_as_it_came(store: Store) -> None:
    place = MemoryPlace()
    manifest = put_image(place)
    image = pull(place, store, NAME, platform=AMD64, progress=Silent())
    assert send(store, image, place).raw == manifest.raw


def test_a_blob_is_taken_over_from_a_neighbour(store: Store) -> None:
    place = MemoryPlace()
    manifest = put_image(place)
    image = pull(place, store, NAME, platform=AMD64, progress=Silent())
    blobs = {each.digest for each in manifest.layers}
    other, progress = MemoryPlace(neighbours={"team/app": blobs}), Collected()
    sent = send(store, image, other, target="reg.example/team/other", progress=progress)
    assert sent.raw == manifest.raw
    assert set(other.did("mount team/app")) == blobs
    assert {what for _, what in progress.finished} == {"Mounted from team/app"}
    assert other.did("put") == [manifest.config.digest]


def test_another_registry_is_not_asked_to_take_over(store: Store) -> None:
    place = MemoryPlace()
    put_image(place)
    image = pull(place, store, NAME, platform=AMD64, progress=Silent())
    other = MemoryPlace(neighbours={"team/app": set(place.blobs)})
    send(store, image, other, target="else.example/team/app")
    assert other.did("mount team/app") == []


def test_where_a_layer_was_sent_is_remembered_for_the_next_repository(store: Store) -> None:
    image = make_image(store, "app", FILES)
    manifest = send(store, image, MemoryPlace())
    (known,) = store.layers.compressed(image.layers[0])
    assert known.digest == manifest.layers[0].digest
    assert known.annotations[ORIGIN] == TARGET


def test_annotations_of_the_store_do_not_get_out(store: Store) -> None:
    image = make_image(store, "app", FILES)
    place = MemoryPlace()
    send(store, image, place)
    assert b"dev.lamina" not in send(store, image, place).raw


def test_another_compression_than_the_known_one_is_made_anew(store: Store) -> None:
    image = make_image(store, "app", FILES)
    place = MemoryPlace()
    send(store, image, place)
    (layer,) = send(store, image, place, compression="zstd").layers
    assert layer.media_type == mediatype.OCI_LAYER_ZSTD
    assert Digest.of(unpacked(place, layer)) == image.layers[0]


def test_a_foreign_layer_is_not_sent(store: Store) -> None:
    image = make_image(store, "app", FILES)
    foreign = Descriptor(
        mediatype.DOCKER_FOREIGN_LAYER_GZIP, Digest.of(b"x"), 1, urls=("https://else.example/x",)
    )
    store.layers.remember_compressed(image.layers[0], foreign)
    place = MemoryPlace()
    assert send(store, image, place).layers == (foreign,)
    assert place.did("put") == [image.config.digest]


@needs_rights
def test_a_damaged_layer_is_not_pushed(store: Store) -> None:
    image = make_image(store, "app", FILES)
    victim = store.layers.directory(image.layers[0]) / "fs/etc/motd"
    victim.write_bytes(b"hullo\n")
    place = MemoryPlace()
    with pytest.raises(LayerDamaged, match="not those that were stored"):
        send(store, image, place)
    assert place.blobs == {}
    assert place.tags == {}


def test_progress_counts_the_bytes_of_the_tar(store: Store) -> None:
    image = make_image(store, "app", FILES)
    progress = Collected()
    send(store, image, MemoryPlace(), progress=progress)
    size = store.layers.info(image.layers[0]).tar_size
    assert progress.started == {image.layers[0].short: ("Pushing", size)}
    assert progress.done == {image.layers[0].short: size}


def test_an_index_goes_back_as_it_came(store: Store) -> None:
    place = MemoryPlace()
    index = put_index(place, AMD64, ARM64)
    image = pull(place, store, NAME, platform=AMD64, progress=Silent(), all_platforms=True)
    place.tags.clear()
    several = images_of(store, image.row)
    assert several is not None
    sent = push_index(store, *several, place, tag="v1", progress=Silent(), target=TARGET)
    assert sent.digest == index.digest
    assert place.resolve().digest == index.digest


def test_an_index_sent_elsewhere_names_what_was_sent(store: Store, tmp_path: Path) -> None:
    place, other = MemoryPlace(), MemoryPlace()
    put_index(place, AMD64, ARM64)
    image = pull(place, store, NAME, platform=AMD64, progress=Silent(), all_platforms=True)
    several = images_of(store, image.row)
    assert several is not None
    sent = push_index(store, *several, other, tag="v1", progress=Silent(), target="else/app")
    index = Index.parse(other.document(sent))
    assert [each.platform for each in index.manifests] == [AMD64, ARM64]
    again = open_store(tmp_path / "again")
    for platform in (AMD64, ARM64):
        found = pull(other, again, NAME, platform=platform, progress=Silent())
        assert found.config.platform == platform
        assert found.config.raw in other.blobs.values()


def test_what_is_stated_of_an_image_goes_with_it_about_the_manifest_that_is_sent(
    store: Store,
) -> None:
    image = make_image(store, "app", FILES)
    statement = Statement.make("https://p", {"a": 1}, image.manifest.digest)
    stated = Attestation.make(image.manifest.digest, [statement])
    for raw in (*stated.blobs.values(), stated.manifest.raw):
        store.blobs.put_bytes(raw)
    index = Index.build([image.manifest.descriptor, stated.descriptor])
    place = MemoryPlace()
    sent = push_index(store, index, [image], place, tag="v1", progress=Silent(), target=TARGET)
    there = Index.parse(place.document(sent))
    assert len(there.manifests) == 2
    # Its layers were compressed on the way, so the manifest is another one.
    new = there.manifests[0].digest
    assert new != image.manifest.digest
    assert subject_of(there.manifests[1]) == new
    manifest = Manifest.parse(place.document(there.manifests[1]))
    (layer,) = manifest.layers
    said = json.loads(place.blobs[layer.digest])
    assert said["subject"] == [{"name": "_", "digest": {"sha256": new.hex}}]
    assert said["predicate"] == {"a": 1}
    assert manifest.config.digest in place.blobs


def test_what_is_stated_comes_with_all_platforms_and_goes_back(store: Store) -> None:
    place = MemoryPlace()
    image = put_manifest(place)
    statement = Statement.make("https://p", {"a": 1}, image.digest)
    stated = Attestation.make(image.digest, [statement])
    for raw in (*stated.blobs.values(), stated.manifest.raw):
        put(place, raw, "")
    entry = msgspec.structs.replace(image.descriptor, platform=AMD64)
    index = Index.build([entry, stated.descriptor])
    put(place, index.raw, index.media_type)
    place.tags[place.tag] = index.descriptor
    found = pull(place, store, NAME, platform=AMD64, progress=Silent(), all_platforms=True)
    assert store.blobs.read(stated.statements[0].descriptor.digest) == statement.raw
    several = images_of(store, found.row)
    assert several is not None
    sent = push_index(store, *several, place, tag="v2", progress=Silent(), target=TARGET)
    assert sent.digest == index.digest


def test_an_attestation_that_is_not_stored_is_left_out(store: Store) -> None:
    image = make_image(store, "app", FILES)
    stated = Attestation.make(image.manifest.digest, [])
    index = Index.build([image.manifest.descriptor, stated.descriptor])
    place = MemoryPlace()
    sent = push_index(store, index, [image], place, tag="v1", progress=Silent(), target=TARGET)
    assert len(Index.parse(place.document(sent)).manifests) == 1


def test_a_single_image_is_no_index(store: Store) -> None:
    assert images_of(store, make_image(store, "app", FILES).row) is None
