"""What every `ImageStore` keeps of its contract, over a whole store."""

from __future__ import annotations

import pytest

from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, NoSuchPlatform
from lamina.oci.platform import Platform
from lamina.oci.reference import BadReference, Reference
from lamina.store.contract import NamedImage, Store
from lamina.store.errors import (
    AmbiguousName,
    BlobNotFound,
    DigestMismatch,
    ImageNotFound,
    LayerNotFound,
)
from tests.fakes.images import documents, make_artifact, make_image, make_layer

TYPE = "application/vnd.lamina.test.v1+json"
OTHER_TYPE = "application/vnd.lamina.other.v1+json"
FILES = {"etc/os-release": b"ID=debian\n"}


class ImageStoreContract:
    """Inherit, and give a fixture `store`: an empty store, its host amd64."""

    def test_what_was_added_is_found(self, store: Store) -> None:
        image = make_image(store, "debian:bookworm", FILES)
        found = store.images.find("debian:bookworm")
        assert found == image
        assert found.row.size == 10
        assert found.row.created == "2024-01-01T00:00:00Z"
        assert found.layers == image.config.diff_ids
        assert [row.image_id for row in store.images] == [image.config.digest]

    @pytest.mark.parametrize(
        "text", ["debian:bookworm", "docker.io/debian:bookworm", "library/debian:bookworm"]
    )
    def test_find_by_any_form_of_the_name(self, store: Store, text: str) -> None:
        image = make_image(store, "debian:bookworm", FILES)
        assert store.images.find(text) == image

    def test_find_by_id_prefix_and_digest(self, store: Store) -> None:
        image = make_image(store, "debian:bookworm", FILES)
        make_image(store, "other", {"other": b"1"})
        identity = image.config.digest
        for text in (
            identity.hex,
            identity.text,
            identity.short,
            "sha256:" + identity.hex[:20],
            image.manifest.digest.text,
            f"debian@{image.manifest.digest}",
        ):
            assert store.images.find(text) == image, text

    def test_a_prefix_of_two_ids(self, store: Store) -> None:
        ids = [make_image(store, None, FILES, author=str(n)).config.digest for n in range(17)]
        first = [each.hex[0] for each in ids]
        twice = next(each for each in first if first.count(each) > 1)
        with pytest.raises(AmbiguousName):
            store.images.find("sha256:" + twice)

    def test_a_prefix_of_one_image_with_two_names(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        make_image(store, "b", FILES)
        assert store.images.find(image.config.digest.short).config == image.config

    def test_a_name_wins_over_a_prefix(self, store: Store) -> None:
        image = make_image(store, None, FILES)
        named = make_image(store, image.config.digest.short, {"other": b"1"})
        assert store.images.find(image.config.digest.short) == named

    def test_not_found_names_what_is_similar(self, store: Store) -> None:
        make_image(store, "debian:bookworm", FILES)
        with pytest.raises(ImageNotFound) as caught:
            store.images.find("debian:bokworm")
        assert str(caught.value) == "no image debian:bokworm in the store"
        assert caught.value.hint == ("lamina pull debian:bokworm   (similar here: debian:bookworm)")

    def test_not_found_by_id_does_not_say_pull(self, store: Store) -> None:
        with pytest.raises(ImageNotFound) as caught:
            store.images.find("0123456789ab")
        assert "pull" not in caught.value.hint

    @pytest.mark.parametrize("text", ["", "Debian", "a b", "x:y:z", "sha256:xyz"])
    def test_bad_names(self, store: Store, text: str) -> None:
        with pytest.raises((BadReference, ImageNotFound)):
            store.images.find(text)

    def test_add_without_a_layer_names_nothing(self, store: Store) -> None:
        manifest, config = documents([Digest.of(b"no layer")])
        with pytest.raises(LayerNotFound):
            store.images.add(manifest, config, Reference.parse("a"))
        assert list(store.images) == []
        assert list(store.blobs) == []

    def test_an_index_of_what_was_built(self, store: Store) -> None:
        arm = documents([make_layer(store, {"a": b"1"})], platform=Platform("arm64"))
        amd = documents([make_layer(store, {"a": b"22"})], platform=Platform("amd64"))
        index = Index.build([each[0].descriptor for each in (arm, amd)])
        name = Reference.parse("both")
        image = store.images.add_index(index, [arm, amd], name, platform=Platform("amd64"))
        assert (image.config, image.row.size) == (amd[1], 2)
        assert store.images.find("both").row == image.row
        assert image.row.descriptor == index.descriptor
        first = store.images.add_index(index, [arm, amd], name, platform=Platform("riscv64"))
        assert first.config == arm[1]

    def test_an_index_without_a_layer_names_nothing(self, store: Store) -> None:
        made = documents([Digest.of(b"no layer")])
        index = Index.build([made[0].descriptor])
        with pytest.raises(LayerNotFound):
            store.images.add_index(index, [made], Reference.parse("a"), platform=Platform("amd64"))
        assert list(store.images) == []

    def test_add_with_the_config_of_another(self, store: Store) -> None:
        manifest, _ = documents([])
        _, config = documents([], author="somebody")
        with pytest.raises(DigestMismatch):
            store.images.add(manifest, config, Reference.parse("a"))
        assert list(store.blobs) == []

    def test_scratch(self, store: Store) -> None:
        image = make_image(store, "empty")
        assert image.layers == ()
        assert store.images.find("empty").row.size == 0

    def test_a_lost_blob_is_an_error(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        store.blobs.delete(image.config.digest)
        with pytest.raises(BlobNotFound):
            store.images.find("a")

    def test_another_platform_than_asked_for(self, store: Store) -> None:
        make_image(store, "a", FILES)
        assert store.images.find("a", platform="linux/amd64").config.platform.os == "linux"
        with pytest.raises(NoSuchPlatform):
            store.images.find("a", platform="linux/arm64")

    def test_an_index_resolves_to_a_platform(self, store: Store) -> None:
        layer = make_layer(store, FILES)
        here = documents([layer])
        there = documents([layer], platform=Platform("arm64"))
        entries = []
        for manifest, config in (there, here):
            store.blobs.put_bytes(config.raw)
            store.blobs.put_bytes(manifest.raw)
            entries.append(
                Descriptor(
                    mediatype.OCI_MANIFEST,
                    manifest.digest,
                    len(manifest.raw),
                    platform=config.platform,
                )
            )
        index = Index.build(entries)
        store.blobs.put_bytes(index.raw)
        reference = Reference.parse("both")
        store.refs.set(NamedImage(reference, index.descriptor, here[1].digest, 10, ""))
        assert store.images.find("both").config == here[1]
        assert store.images.find("both", platform="arm64").config == there[1]
        with pytest.raises(NoSuchPlatform):
            store.images.find("both", platform="s390x")

    def test_what_was_attached_is_found(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        assert store.images.attached(image.manifest.digest) == []
        first, second = make_artifact(image, b"first"), make_artifact(image, b"other", OTHER_TYPE)
        for each in (first, second, first):
            store.images.attach(image, each)
        found = store.images.attached(image.manifest.digest)
        assert [each.manifest for each in found] == [first.manifest, second.manifest]
        assert store.blobs.read(found[0].payload.digest) == b"first"
        assert [
            each.digest for each in store.images.attached(image.manifest.digest, OTHER_TYPE)
        ] == [second.digest]
        assert store.images.attached(Digest.of(b"another image")) == []

    def test_an_artifact_is_no_image(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        artifact = make_artifact(image, b"proof")
        store.images.attach(image, artifact)
        assert [row.image_id for row in store.images] == [image.config.digest]
        with pytest.raises(ImageNotFound):
            store.images.find(str(artifact.digest))

    def test_a_layer_is_attached(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        removed = make_layer(store, {"removed": b"1"})
        size = store.layers.info(removed).tar_size
        artifact = Artifact.of_layer(image.manifest.descriptor, TYPE, removed, size)
        store.images.attach(image, artifact)
        assert store.images.attached(image.manifest.digest)[0].diff_ids == (removed,)

    def test_an_artifact_of_what_is_not_stored_is_not_attached(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        nowhere = Digest.of(b"nowhere")
        about = image.manifest.descriptor
        with pytest.raises(LayerNotFound):
            store.images.attach(image, Artifact.of_layer(about, TYPE, nowhere, 10))
        lost = Artifact.read(make_artifact(image, b"lost").manifest)
        with pytest.raises(BlobNotFound):
            store.images.attach(image, lost)
        assert store.images.attached(image.manifest.digest) == []

    def test_an_artifact_of_another_image_is_not_attached(self, store: Store) -> None:
        image, other = make_image(store, "a", FILES), make_image(store, "b", author="b")
        with pytest.raises(DigestMismatch):
            store.images.attach(image, make_artifact(other, b"proof"))
        store.blobs.delete(image.manifest.digest)
        with pytest.raises(BlobNotFound):
            store.images.attach(image, make_artifact(image, b"proof"))

    def test_an_artifact_cannot_call_itself_an_image(self, store: Store) -> None:
        image = make_image(store, "a", FILES)
        notes = {
            "dev.lamina.image.id": str(Digest.of(b"evil")),
            "org.opencontainers.image.ref.name": "docker.io/library/debian:bookworm",
        }
        artifact = Artifact.of_document(image.manifest.descriptor, TYPE, b"evil", annotations=notes)
        store.images.attach(image, artifact)
        assert [row.image_id for row in store.images] == [image.config.digest]
        assert store.images.attached(image.manifest.digest)[0].manifest.annotations == notes
