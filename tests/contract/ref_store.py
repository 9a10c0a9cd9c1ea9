"""What every `RefStore` keeps of its contract."""

from __future__ import annotations

import pytest

from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Attached, NamedImage, RefStore
from lamina.store.errors import ImageNotFound

BOOKWORM = Reference.parse("debian:bookworm")
STABLE = Reference.parse("debian:stable")


def image(
    seed: str, reference: Reference | None = None, repo_digests: tuple[str, ...] = ()
) -> NamedImage:
    """A row; `seed` makes which image it is."""
    return NamedImage(
        reference,
        Descriptor(
            mediatype.OCI_MANIFEST,
            Digest.of(seed.encode() + b"manifest"),
            400,
            platform=Platform("arm64", variant="v8"),
        ),
        Digest.of(seed.encode()),
        len(seed) * 1000,
        "2024-01-01T00:00:00.123456789Z",
        repo_digests,
    )


def attached(seed: str, subject: str = "a") -> Attached:
    """An artifact of the image that `subject` makes."""
    manifest = Descriptor(
        mediatype.OCI_MANIFEST, Digest.of(seed.encode()), 500, artifact_type="application/proof"
    )
    return Attached(image(subject).descriptor.digest, manifest)


class RefStoreContract:
    """Inherit, and give a fixture `refs`: an empty store."""

    def test_empty(self, refs: RefStore) -> None:
        assert list(refs.rows()) == []
        assert refs.get(BOOKWORM) is None

    def test_a_row_comes_back_as_it_was_set(self, refs: RefStore) -> None:
        row = image("a", BOOKWORM, ("debian@" + str(Digest.of(b"x")),))
        refs.set(row)
        assert refs.get(BOOKWORM) == row
        assert list(refs.rows()) == [row]

    def test_rows_are_in_the_order_in_which_they_were_set(self, refs: RefStore) -> None:
        first, second = image("a", BOOKWORM), image("b", STABLE)
        refs.set(first)
        refs.set(second)
        assert list(refs.rows()) == [first, second]
        refs.set(first)
        assert list(refs.rows()) == [second, first]

    def test_a_name_moves_and_the_old_image_keeps_a_row(self, refs: RefStore) -> None:
        refs.set(image("a", BOOKWORM))
        refs.set(image("b", BOOKWORM))
        assert list(refs.rows()) == [image("a"), image("b", BOOKWORM)]
        assert refs.get(BOOKWORM) == image("b", BOOKWORM)

    def test_the_old_image_keeps_no_row_when_it_has_another_name(self, refs: RefStore) -> None:
        refs.set(image("a", BOOKWORM))
        refs.set(image("a", STABLE))
        refs.set(image("b", BOOKWORM))
        assert list(refs.rows()) == [image("a", STABLE), image("b", BOOKWORM)]

    def test_a_name_given_again_takes_the_nameless_row_in(self, refs: RefStore) -> None:
        known = ("debian@" + str(Digest.of(b"x")),)
        refs.set(image("a", BOOKWORM, known))
        refs.set(image("b", BOOKWORM))
        refs.set(image("a", STABLE))
        assert list(refs.rows()) == [image("b", BOOKWORM), image("a", STABLE, known)]

    def test_a_nameless_row_is_added_only_to_an_image_without_rows(self, refs: RefStore) -> None:
        refs.set(image("a"))
        refs.set(image("a"))
        assert list(refs.rows()) == [image("a")]
        refs.set(image("b", STABLE))
        refs.set(image("b"))
        assert list(refs.rows()) == [image("a"), image("b", STABLE)]

    def test_get_by_digest_of_the_manifest(self, refs: RefStore) -> None:
        row = image("a", BOOKWORM)
        refs.set(row)
        assert refs.get(BOOKWORM.with_digest(row.descriptor.digest)) == row
        assert refs.get(STABLE.with_digest(row.descriptor.digest)) == row
        other = Reference.parse("alpine").with_digest(row.descriptor.digest)
        assert refs.get(other) is None
        assert refs.get(BOOKWORM.with_digest(Digest.of(b"?"))) is None

    def test_get_by_repo_digest(self, refs: RefStore) -> None:
        digest = Digest.of(b"index")
        row = image("a", BOOKWORM, (f"debian@{digest}",))
        refs.set(row)
        assert refs.get(BOOKWORM.with_digest(digest)) == row
        refs.set(image("b", BOOKWORM))
        found = refs.get(BOOKWORM.with_digest(digest))
        assert found is not None
        assert found.image_id == row.image_id

    def test_a_name_by_digest_is_a_name(self, refs: RefStore) -> None:
        row = image("a", BOOKWORM.with_digest(Digest.of(b"index")))
        refs.set(row)
        assert refs.get(Reference.parse(f"debian@{Digest.of(b'index')}")) == row
        assert refs.get(Reference.parse(f"debian:bookworm@{Digest.of(b'index')}")) == row

    def test_the_tag_beside_a_digest_says_nothing(self, refs: RefStore) -> None:
        both = Reference.parse(f"debian:bookworm@{Digest.of(b'index')}")
        refs.set(image("a", both))
        assert refs.rows()[0].reference == both.with_digest(Digest.of(b"index"))
        assert refs.get(BOOKWORM) is None

    def test_remove_takes_one_row(self, refs: RefStore) -> None:
        refs.set(image("a", BOOKWORM))
        refs.set(image("a", STABLE))
        assert refs.remove(BOOKWORM) == image("a", BOOKWORM)
        assert list(refs.rows()) == [image("a", STABLE)]
        assert refs.remove(STABLE) == image("a", STABLE)
        assert list(refs.rows()) == []

    def test_remove_of_an_unknown_name(self, refs: RefStore) -> None:
        with pytest.raises(ImageNotFound) as caught:
            refs.remove(BOOKWORM)
        assert "debian:bookworm" in str(caught.value)

    def test_remove_image_takes_all_its_rows(self, refs: RefStore) -> None:
        refs.set(image("a", BOOKWORM))
        refs.set(image("b", Reference.parse("alpine")))
        refs.set(image("a", STABLE))
        assert refs.remove_image(Digest.of(b"a")) == [image("a", BOOKWORM), image("a", STABLE)]
        assert list(refs.rows()) == [image("b", Reference.parse("alpine"))]
        assert refs.remove_image(Digest.of(b"a")) == []

    def test_every_kind_of_name_comes_back(self, refs: RefStore) -> None:
        texts = ["debian", "me/app:1.0", "ghcr.io/x/y:z", "localhost:5000/a:b", "[::1]:5000/q:r"]
        for text in texts:
            refs.set(image(text, Reference.parse(text)))
        assert [row.reference for row in refs.rows()] == [Reference.parse(each) for each in texts]

    def test_disk_usage_shrinks_without_rows(self, refs: RefStore) -> None:
        for number in range(40):
            refs.set(image(str(number), Reference.parse(f"image:{number}")))
        kept = {Digest.of(str(number).encode()) for number in range(39)}
        assert 0 < refs.disk_usage(without=kept) < refs.disk_usage()

    def test_what_is_attached_is_no_row(self, refs: RefStore) -> None:
        refs.set(image("a", BOOKWORM))
        proof, signature = attached("proof"), attached("signature", "b")
        for each in (proof, signature, proof):
            refs.attach(each)
        assert list(refs.attached()) == [proof, signature]
        assert list(refs.rows()) == [image("a", BOOKWORM)]
        refs.set(image("b", STABLE))
        refs.remove(BOOKWORM)
        assert list(refs.attached()) == [proof, signature]

    def test_what_is_detached_is_forgotten(self, refs: RefStore) -> None:
        refs.set(image("a", BOOKWORM))
        proof, signature = attached("proof"), attached("signature")
        refs.attach(proof)
        refs.attach(signature)
        refs.detach({proof.descriptor.digest, Digest.of(b"unknown")})
        assert list(refs.attached()) == [signature]
        refs.detach({proof.descriptor.digest})
        assert list(refs.attached()) == [signature]
        assert list(refs.rows()) == [image("a", BOOKWORM)]

    def test_disk_usage_shrinks_without_artifacts(self, refs: RefStore) -> None:
        each = [attached(str(number)) for number in range(40)]
        for one in each:
            refs.attach(one)
        kept = {one.descriptor.digest for one in each[1:]}
        assert 0 < refs.disk_usage(without=kept) < refs.disk_usage()
