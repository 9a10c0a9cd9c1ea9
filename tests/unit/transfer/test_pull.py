"""Pulling: what is fetched, what is named, and that nothing is when anything is wrong."""

from __future__ import annotations

import threading

import msgspec
import pytest

from lamina.errors import Corrupt, EngineError, Invalid, NotFound, Unavailable
from lamina.layer.compression import BadCompression, TooLarge, compress_zstd
from lamina.layer.errors import DiffIdMismatch
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Index, Manifest, NoSuchPlatform
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.store.errors import DigestMismatch, SizeMismatch
from lamina.transfer import receive as receiving
from lamina.transfer.pull import pull
from lamina.transfer.receive import ORIGIN
from tests.fakes.images import tar_of
from tests.fakes.transfer import Collected, MemoryPlace
from tests.unit.transfer.material import (
    AMD64,
    ARM64,
    TARS,
    packed,
    put,
    put_image,
    put_index,
    put_manifest,
    snapshot,
)

NAME = Reference.parse("reg.example/team/app:v1")


def fetch(
    place: MemoryPlace,
    store: Store,
    reference: Reference = NAME,
    *,
    platform: Platform = AMD64,
    progress: Collected | None = None,
    all_platforms: bool = False,
) -> Image:
    return pull(
        place,
        store,
        reference,
        platform=platform,
        progress=progress or Collected(),
        all_platforms=all_platforms,
    )


class TestWhatComes:
    def test_the_image_is_named_and_its_layers_are_the_tars(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        image = fetch(place, store)
        assert image.manifest.raw == manifest.raw
        assert store.images.find("reg.example/team/app:v1").config.raw == image.config.raw
        assert [b"".join(store.layers.tar(each)) for each in image.layers] == list(TARS)

    def test_the_repo_digest_is_that_of_what_the_name_stood_for(self, store: Store) -> None:
        place = MemoryPlace()
        index = put_index(place, ARM64, AMD64)
        progress = Collected()
        image = fetch(place, store, progress=progress)
        assert image.row.repo_digests == (f"reg.example/team/app@{index.digest}",)
        assert progress.notes == [f"Digest: {index.digest}"]

    @pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
    def test_an_index_gives_the_image_of_the_platform(
        self, store: Store, platform: Platform
    ) -> None:
        place = MemoryPlace()
        put_index(place, ARM64, AMD64)
        image = fetch(place, store, platform=platform)
        assert image.config.platform == platform

    def test_all_platforms_keep_the_index(self, store: Store) -> None:
        place = MemoryPlace()
        index = put_index(place, ARM64, AMD64)
        image = fetch(place, store, all_platforms=True)
        assert image.config.platform == AMD64
        assert image.row.descriptor.digest == index.digest
        for platform in ("linux/amd64", "linux/arm64"):
            found = store.images.find(str(NAME), platform=platform)
            assert str(found.config.platform) == platform
            assert all(store.layers.has(each) for each in found.layers)

    def test_all_platforms_of_a_single_image_are_that_image(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        assert fetch(place, store, all_platforms=True).manifest.digest == manifest.digest

    @pytest.mark.parametrize(
        ("media_type", "pack"),
        [
            (mediatype.OCI_LAYER, lambda tar: tar),
            (mediatype.OCI_LAYER_GZIP, packed),
            (mediatype.OCI_LAYER_ZSTD, lambda tar: b"".join(compress_zstd([tar], threads=1))),
            (mediatype.DOCKER_LAYER_GZIP, packed),
        ],
        ids=["tar", "gzip", "zstd", "docker"],
    )
    def test_layers_of_every_compression(self, store: Store, media_type: str, pack) -> None:  # type: ignore[no-untyped-def]
        place = MemoryPlace()
        put_image(place, pack=pack, layer_type=media_type)
        image = fetch(place, store)
        assert [b"".join(store.layers.tar(each)) for each in image.layers] == list(TARS)

    def test_an_image_without_layers(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, [])
        assert fetch(place, store).layers == ()

    def test_a_layer_that_comes_twice_is_fetched_once(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place, [TARS[0], TARS[1], TARS[0]])
        image = fetch(place, store)
        assert len(image.layers) == 3
        assert place.did("blob").count(manifest.layers[0].digest) == 1

    def test_layers_that_are_here_are_not_fetched(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        store.layers.ingest([TARS[0]], expected=None)
        progress = Collected()
        fetch(place, store, progress=progress)
        assert place.did("blob") == [manifest.layers[1].digest]
        assert progress.finished == [
            (manifest.layers[0].digest.short, "Already exists"),
            (manifest.layers[1].digest.short, "Pull complete"),
        ]

    def test_progress_counts_every_byte_of_the_blobs(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        progress = Collected()
        fetch(place, store, progress=progress)
        sizes = {each.digest.short: each.size for each in manifest.layers}
        assert progress.done == sizes
        assert progress.started == {item: ("Downloading", size) for item, size in sizes.items()}

    def test_the_blob_and_where_it_came_from_are_remembered(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        image = fetch(place, store)
        (known,) = store.layers.compressed(image.layers[0])
        assert (known.digest, known.size) == (manifest.layers[0].digest, manifest.layers[0].size)
        assert known.annotations == {ORIGIN: "reg.example/team/app"}

    def test_a_pull_by_digest_names_nothing_but_is_found_by_it(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        by_digest = NAME.with_digest(manifest.digest)
        image = fetch(place, store, by_digest)
        assert image.row.reference is None
        assert store.images.find(str(by_digest)).config.digest == image.config.digest

    def test_a_second_pull_moves_the_name(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place)
        fetch(place, store)
        new = put_image(place, [TARS[1]])
        fetch(place, store)
        assert store.images.find(str(NAME)).manifest.digest == new.digest

    def test_an_image_of_another_platform_comes_with_a_warning(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, platform=ARM64)
        progress = Collected()
        fetch(place, store, progress=progress)
        assert progress.notes[0] == (
            "WARNING: reg.example/team/app:v1 is for linux/arm64, not for linux/amd64"
        )


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def swap_layer(place: MemoryPlace, manifest: Manifest, data: bytes) -> None:
    """Let the first layer's digest stand for other bytes."""
    place.blobs[manifest.layers[0].digest] = data


def documents_of(store: Store) -> dict[str, bytes]:
    """The store's files but for whole layers, which may stay after a failure: gc knows them."""
    return {
        name: data
        for name, data in snapshot(store.root).items()
        if not name.startswith(("layers/", "objects/", "gc.lock"))
    }


class TestWhatIsWrong:
    """Every fault is one error of a clear kind, and the store has no name and no leftovers."""

    def refused(
        self, place: MemoryPlace, store: Store, kind: type[EngineError], match: str
    ) -> None:
        before = documents_of(store)
        with pytest.raises(kind, match=match):
            fetch(place, store)
        assert documents_of(store) == before
        assert not list(store.refs.rows())
        assert not list((store.root / "layers").glob(".*"))
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith(("stage", "transfer"))]

    def test_a_truncated_blob(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        swap_layer(place, manifest, packed(TARS[0])[:-20])
        self.refused(place, store, Corrupt, "should have|cut off")

    def test_a_truncated_gzip_stream_that_its_digest_agrees_with(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, pack=lambda tar: packed(tar)[:-20])
        self.refused(place, store, BadCompression, "cut off")

    def test_garbage_after_the_gzip_stream(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, pack=lambda tar: packed(tar) + b"garbage")
        self.refused(place, store, BadCompression, "gzip")

    def test_a_blob_that_is_no_gzip(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, pack=lambda tar: b"<html>" + tar)
        self.refused(place, store, BadCompression, "gzip")

    def test_a_blob_with_another_digest(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        other = flip(packed(TARS[0]), 9)  # the byte that names the operating system
        assert len(other) == manifest.layers[0].size
        swap_layer(place, manifest, other)
        self.refused(place, store, DigestMismatch, "have the digest")

    def test_an_uncompressed_blob_with_another_digest(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place, pack=lambda tar: tar, layer_type=mediatype.OCI_LAYER)
        swap_layer(place, manifest, TARS[0].replace(b"NAME=Test", b"NAME=Tess"))
        self.refused(place, store, Corrupt, "came as other bytes")

    def test_a_blob_that_is_longer_than_announced(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        swap_layer(place, manifest, packed(TARS[0]) + packed(b""))
        self.refused(place, store, SizeMismatch, "should have")

    def test_a_layer_that_is_not_the_one_in_the_config(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, diff_ids=[Digest.of(b"other"), Digest.of(TARS[1])])
        self.refused(place, store, DiffIdMismatch, "came as other bytes")

    def test_a_config_that_counts_other_layers(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, diff_ids=[Digest.of(TARS[0])])
        self.refused(place, store, BadDocument, "has 2 layers in its manifest and 1 in its config")

    def test_a_name_in_the_layer_that_leads_out(self, store: Store) -> None:
        place = MemoryPlace()
        put_image(place, [tar_of({"../../escape": b"x"})])
        self.refused(place, store, Invalid, "leaves its root")
        assert not (store.root.parent / "escape").exists()

    def test_a_bomb(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(receiving, "_LEAST_LIMIT", 1 << 20)
        place = MemoryPlace()
        put_image(place, [tar_of({"zeros": bytes(8 << 20)})])
        self.refused(place, store, TooLarge, "1048576 bytes")

    def test_no_such_platform(self, store: Store) -> None:
        place = MemoryPlace()
        put_index(place, ARM64)
        self.refused(place, store, NoSuchPlatform, "has no image for linux/amd64")

    def test_no_such_tag(self, store: Store) -> None:
        self.refused(MemoryPlace(), store, NotFound, "no tag v1")

    def test_a_manifest_that_is_not_json(self, store: Store) -> None:
        place = MemoryPlace()
        place.tags["v1"] = put(place, b"<html>", mediatype.OCI_MANIFEST)
        self.refused(place, store, BadDocument, "HTML page")

    def test_a_config_that_is_not_json(self, store: Store) -> None:
        place = MemoryPlace()
        config = put(place, b"{", mediatype.OCI_CONFIG)
        manifest = Manifest.build(config, [])
        place.tags["v1"] = put(place, manifest.raw, manifest.media_type)
        self.refused(place, store, BadDocument, "config of reg.example/team/app:v1 is not valid")

    def test_a_missing_layer(self, store: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        del place.blobs[manifest.layers[1].digest]
        self.refused(place, store, NotFound, "no blob")

    def test_an_index_in_itself_has_an_end(self, store: Store) -> None:
        place = MemoryPlace()
        index = Index.build([put_manifest(place).descriptor])
        for _ in range(6):
            put(place, index.raw, index.media_type)
            index = Index.build([index.descriptor])
        place.tags["v1"] = put(place, index.raw, index.media_type)
        self.refused(place, store, BadDocument, "without end")

    def test_a_connection_that_breaks(self, store: Store) -> None:
        place = MemoryPlace(break_at=10_000)
        noise = tar_of({"noise": b"".join(Digest.of(bytes([n])).raw for n in range(256)) * 8})
        put_image(place, [noise, TARS[0]], pack=lambda t: t, layer_type=mediatype.OCI_LAYER)
        self.refused(place, store, Unavailable, "the connection is gone")

    def test_an_artifact_is_no_image(self, store: Store) -> None:
        place = MemoryPlace()
        config = put(place, b"{}", "application/vnd.cncf.helm.config.v1+json")
        manifest = Manifest.build(config, [])
        place.tags["v1"] = put(place, manifest.raw, manifest.media_type)
        self.refused(place, store, EngineError, "is not an image")


def test_after_a_failure_the_next_pull_fetches_only_the_rest(store: Store) -> None:
    place = MemoryPlace()
    manifest = put_image(place)
    missing = place.blobs.pop(manifest.layers[1].digest)
    with pytest.raises(NotFound):
        fetch(place, store)
    if not store.layers.has(Digest.of(TARS[0])):
        store.layers.ingest([TARS[0]], expected=None)
    place.blobs[manifest.layers[1].digest] = missing
    place.calls.clear()
    fetch(place, store)
    assert place.did("blob") == [manifest.layers[1].digest]


def test_what_a_config_says_beyond_our_knowledge_survives(store: Store) -> None:
    place = MemoryPlace()
    raw = msgspec.json.encode(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": []},
            "moby.buildkit.cache.v0": "x",
        }
    )
    manifest = Manifest.build(put(place, raw, mediatype.OCI_CONFIG), [])
    place.tags["v1"] = put(place, manifest.raw, manifest.media_type)
    image = fetch(place, store)
    assert image.config.raw == raw
    assert image.config.digest == ImageConfig.parse(raw).digest
