"""Garbage collection: what nothing needs goes, what anything needs stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image, NamedImage, StepResult, Store
from lamina.store.gc import collect
from lamina.store.leases import DirLeases
from lamina.store.names import tag
from tests.fakes.images import documents, make_artifact, make_image, make_layer, make_record

BASE = {"bin/sh": b"x" * 5000}


def test_an_empty_store(store: Store) -> None:
    reclaimed = collect(store)
    assert (reclaimed.layers, reclaimed.blobs, reclaimed.bytes) == ((), (), 0)


def test_a_layer_and_a_blob_of_nobody_go(store: Store) -> None:
    layer = make_layer(store, BASE)
    blob = store.blobs.put_bytes(b"nobody's")
    reclaimed = collect(store)
    assert reclaimed.layers == (layer,)
    assert reclaimed.blobs == (blob,)
    assert reclaimed.bytes > 5000
    assert list(store.layers) == []
    assert list((store.root / "objects").iterdir()) == []


def test_images_keep_documents_kept_blobs_and_layers(store: Store) -> None:
    layer = make_layer(store, BASE)
    compressed = store.blobs.put_bytes(b"pretend this is the layer, compressed")
    manifest, config = documents([layer])
    raw = manifest.raw.replace(str(layer).encode(), str(compressed).encode())
    manifest = type(manifest).parse(raw)
    store.images.add(manifest, config, Reference.parse("a"))
    assert collect(store).bytes == 0
    assert store.blobs.has(compressed)
    store.refs.remove(Reference.parse("a"))
    assert set(collect(store).blobs) == {compressed, manifest.digest, config.digest}


def test_an_image_that_lost_its_name_stays(store: Store) -> None:
    old = make_image(store, "app", BASE)
    make_image(store, "app", {"other": b"1"})
    assert collect(store).bytes == 0
    assert store.images.find(old.config.digest.short).layers == old.layers


def test_every_stored_platform_of_an_index_is_kept(store: Store) -> None:
    layers = [make_layer(store, {name: b"1"}) for name in ("amd64", "arm64")]
    made = [documents([layer]) for layer in layers]
    for manifest, config in made:
        store.blobs.put_bytes(manifest.raw)
        store.blobs.put_bytes(config.raw)
    absent = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"not pulled"), 10)
    index = Index.build([*(manifest.descriptor for manifest, _ in made), absent])
    store.blobs.put_bytes(index.raw)
    store.refs.set(NamedImage(Reference.parse("both"), index.descriptor, made[0][1].digest, 1, ""))
    assert collect(store).bytes == 0
    assert set(store.layers) == set(layers)


def test_containers_keep_their_layers_and_config(store: Store) -> None:
    image = make_image(store, "app", BASE)
    store.containers.create(make_record("box", image))
    store.refs.remove_image(image.config.digest)
    assert collect(store).blobs == (image.manifest.digest,)
    assert set(store.layers) == set(image.layers)
    store.containers.remove(f"{1:064x}")
    reclaimed = collect(store)
    assert reclaimed.layers == image.layers
    assert reclaimed.blobs == (image.config.digest,)


def test_build_steps_keep_their_layers(store: Store) -> None:
    layer = make_layer(store, BASE)
    store.steps.put(StepResult(Digest.of(b"key"), (layer,)))
    assert collect(store).bytes == 0
    store.steps.remove(Digest.of(b"key"))
    assert collect(store).layers == (layer,)


def test_a_step_whose_layer_is_gone_goes(store: Store) -> None:
    store.steps.put(StepResult(Digest.of(b"key"), (Digest.of(b"gone"),)))
    assert collect(store).bytes > 0
    assert list(store.steps) == []


def test_a_lease_keeps_what_it_protects(store: Store) -> None:
    with store.leases.hold() as lease:
        layer = make_layer(store, BASE)
        blob = store.blobs.put_bytes(b"pulled")
        other = store.blobs.put_bytes(b"nobody's")
        lease.protect(layer, blob)
        assert collect(store).blobs == (other,)
        assert store.layers.has(layer)
        assert store.blobs.has(blob)
    assert collect(store).layers == (layer,)


def test_a_lease_ends_with_its_process(store: Store) -> None:
    layer = make_layer(store, BASE)
    pid = os.fork()
    if pid == 0:
        holder = DirLeases(store.root).hold()
        holder.__enter__().protect(layer)
        os._exit(0)
    os.waitpid(pid, 0)
    assert len(list((store.root / "leases").iterdir())) == 1
    assert collect(store).layers == (layer,)
    assert list((store.root / "leases").iterdir()) == []


def test_several_leases(store: Store) -> None:
    first, second = Digest.of(b"1"), Digest.of(b"2")
    with store.leases.hold() as one:
        one.protect(first)
        with store.leases.hold() as two:
            two.protect(second, second)
            assert store.leases.protected() == {first, second}
        assert store.leases.protected() == {first}
    assert store.leases.protected() == set()


def test_a_damaged_document_costs_no_layer(store: Store) -> None:
    image = make_image(store, "app", BASE)
    garbage = make_layer(store, {"garbage": b"1"})
    path = store.root / "blobs" / "sha256" / image.config.digest.hex
    content = path.read_bytes()
    path.write_bytes(content.replace(b"amd64", b"amd65"))
    assert collect(store).layers == ()
    assert set(store.layers) == {*image.layers, garbage}
    path.write_bytes(content)
    assert collect(store).layers == (garbage,)


def test_a_damaged_container_record_costs_no_layer(store: Store) -> None:
    image = make_image(store, "app", BASE)
    place = store.containers.create(make_record("box", image))
    store.refs.remove_image(image.config.digest)
    record = place / "record.json"
    record.write_bytes(record.read_bytes().replace(b"box", b"bog"))
    assert collect(store).layers == ()
    store.containers.remove(place.name)
    assert collect(store).layers == image.layers


def test_an_artifact_is_kept_as_long_as_its_subject(store: Store) -> None:
    image = make_image(store, "app", BASE)
    removed = make_layer(store, {"removed": b"1" * 5000})
    tar_size = store.layers.info(removed).tar_size
    proof = make_artifact(image, b"proof")
    kept = Artifact.of_layer(image.manifest.descriptor, "application/removed", removed, tar_size)
    store.images.attach(image, proof)
    store.images.attach(image, kept)
    tag(store, "app", "renamed")
    store.refs.remove(Reference.parse("app"))
    assert collect(store).bytes == 0
    make_image(store, "renamed", {"other": b"1"})  # the image is <none> now
    assert collect(store).bytes == 0
    attached = store.images.attached(image.manifest.digest)
    assert [each.digest for each in attached] == [proof.digest, kept.digest]
    assert store.layers.has(removed)
    store.refs.remove_image(image.config.digest)
    reclaimed = collect(store)
    assert set(reclaimed.layers) == {*image.layers, removed}
    assert {proof.digest, kept.digest, proof.payload.digest} <= set(reclaimed.blobs)
    assert store.images.attached(image.manifest.digest) == []
    assert list(store.refs.attached()) == []


def test_what_is_attached_to_an_artifact_is_kept_with_it(store: Store) -> None:
    image = make_image(store, "app", BASE)
    proof = make_artifact(image, b"proof")
    store.images.attach(image, proof)
    signed = Image(image.row, proof.manifest, image.config)
    signature = make_artifact(signed, b"signature")
    store.images.attach(signed, signature)
    assert collect(store).bytes == 0
    assert store.blobs.read(signature.payload.digest) == b"signature"
    store.refs.remove_image(image.config.digest)
    collect(store)
    assert list(store.blobs) == []
    assert list(store.refs.attached()) == []


def test_a_lease_on_the_subject_keeps_what_is_attached(store: Store) -> None:
    image = make_image(store, "app", BASE)
    proof = make_artifact(image, b"proof")
    store.images.attach(image, proof)
    with store.leases.hold() as lease:
        lease.protect(image.manifest.digest)
        store.refs.remove_image(image.config.digest)
        collect(store)
        assert store.blobs.read(proof.payload.digest) == b"proof"
    collect(store)
    assert list(store.blobs) == []


def test_an_artifact_of_one_platform_is_kept_with_the_index(store: Store) -> None:
    layer = make_layer(store, BASE)
    made = [documents([layer], platform=Platform(name)) for name in ("amd64", "arm64")]
    index = Index.build([manifest.descriptor for manifest, _ in made])
    name = Reference.parse("both")
    image = store.images.add_index(index, made, name, platform=Platform("amd64"))
    other = Image(image.row, *made[1])
    proof = make_artifact(other, b"proof")
    store.images.attach(other, proof)
    assert collect(store).bytes == 0
    assert len(store.images.attached(other.manifest.digest)) == 1


def test_an_artifact_that_is_lost_is_forgotten(store: Store) -> None:
    image = make_image(store, "app", BASE)
    proof = make_artifact(image, b"proof")
    store.images.attach(image, proof)
    store.blobs.delete(proof.digest)
    assert store.images.attached(image.manifest.digest) == []
    collect(store)
    assert list(store.refs.attached()) == []


def test_a_damaged_artifact_costs_no_layer(store: Store) -> None:
    image = make_image(store, "app", BASE)
    removed = make_layer(store, {"removed": b"1"})
    artifact = Artifact.of_layer(image.manifest.descriptor, "application/removed", removed, 2048)
    store.images.attach(image, artifact)
    path = store.root / "blobs" / "sha256" / artifact.digest.hex
    path.write_bytes(path.read_bytes().replace(b"removed", b"remowed"))
    assert collect(store).layers == ()


LEFTOVERS = ("blobs/sha256/.tmp-x", "steps/.tmp-x", ".tmp-x")


@pytest.mark.parametrize("name", LEFTOVERS)
def test_a_dead_writers_file_goes(store: Store, name: str) -> None:
    path: Path = store.root / name
    path.write_bytes(b"x" * 5000)
    assert collect(store).bytes >= 5000
    assert not path.exists()


@pytest.mark.parametrize("name", ["layers/.tmp-x", "layers/.trash-x", "containers/.gone-x"])
def test_a_dead_writers_directory_goes(store: Store, name: str) -> None:
    path: Path = store.root / name
    (path / "fs").mkdir(parents=True)
    (path / "fs" / "file").write_bytes(b"x" * 5000)
    assert collect(store).bytes >= 5000
    assert not path.exists()
