"""What every `Source` and `Sink` keeps (src/lamina/registry/contract.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import msgspec
import pytest

from lamina.errors import Corrupt, EngineError, Invalid, NotFound
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.registry.contract import Sink, Source

TAG = "v1"


class Both(Source, Sink, Protocol):
    """One place that is read and written."""


def describe(data: bytes, media_type: str = mediatype.OCI_LAYER_GZIP) -> Descriptor:
    """The descriptor of `data`."""
    return Descriptor(media_type, Digest.of(data), len(data))


def material(size: int, seed: str = "a") -> bytes:
    """Bytes that do not repeat, the same each time."""
    return hashlib.shake_256(seed.encode()).digest(size)


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(source: Source, descriptor: Descriptor, offset: int = 0) -> bytes:
    with source.blob(descriptor, offset=offset) as chunks:
        return b"".join(chunks)


def put_image(sink: Sink, layer: bytes = b"layer", tag: str = TAG) -> Manifest:
    """A whole image: layer, config, manifest, name."""
    config = ImageConfig.scratch(Platform("amd64")).raw
    described = describe(config, mediatype.OCI_CONFIG), describe(layer)
    sink.put_blob(described[0], lambda: [config])
    sink.put_blob(described[1], lambda: pieces(layer))
    manifest = Manifest.build(described[0], [described[1]])
    sink.put_document(manifest.descriptor, manifest.raw, tag=tag)
    return manifest


def attach(sink: Sink, subject: Manifest, artifact_type: str) -> Artifact:
    """An artifact about a manifest, with its blobs."""
    artifact = Artifact.of_document(subject.descriptor, artifact_type, b"proof")
    sink.put_blob(artifact.payload, lambda: [b"proof"])
    sink.put_blob(artifact.manifest.config, lambda: [b"{}"])
    sink.put_referrer(artifact.descriptor, artifact.manifest.raw, subject.digest)
    return artifact


class SourceSinkContract:
    """A subclass gives `both`: a fresh place, empty, whose own reference has the tag TAG."""

    @pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
    def test_a_blob_comes_back_as_it_went(self, both: Both, size: int) -> None:
        data = material(size)
        both.put_blob(describe(data), lambda: pieces(data))
        assert read(both, describe(data)) == data

    @pytest.mark.parametrize("offset", [1, 150_000, 299_999, 300_000])
    def test_a_blob_can_be_read_from_an_offset(self, both: Both, offset: int) -> None:
        data = material(300_000)
        both.put_blob(describe(data), lambda: pieces(data))
        assert read(both, describe(data), offset) == data[offset:]

    def test_a_reader_may_stop_early_and_read_again(self, both: Both) -> None:
        data = material(3_000_000)
        both.put_blob(describe(data), lambda: pieces(data, 100_000))
        with both.blob(describe(data)) as chunks:
            first = next(chunks)
        assert data.startswith(first)
        assert read(both, describe(data)) == data

    @pytest.mark.parametrize("size", [0, 1, 300_000])
    def test_a_stream_gets_its_descriptor_at_its_end(self, both: Both, size: int) -> None:
        data = material(size)
        found = both.put_stream(mediatype.OCI_LAYER_GZIP, pieces(data))
        assert found == describe(data)
        assert read(both, found) == data

    def test_only_what_was_put_is_there(self, both: Both) -> None:
        assert not both.has_blob(describe(b"one"))
        both.put_blob(describe(b"one"), lambda: [b"one"])
        assert both.has_blob(describe(b"one"))
        assert not both.has_blob(describe(b"two"))

    def test_putting_a_blob_twice_is_putting_it_once(self, both: Both) -> None:
        for _ in range(2):
            both.put_blob(describe(b"one"), lambda: [b"one"])
        assert read(both, describe(b"one")) == b"one"

    def test_a_blob_that_is_not_there_is_not_found(self, both: Both) -> None:
        put_image(both)
        with pytest.raises(NotFound):
            read(both, describe(b"nowhere"))

    @pytest.mark.parametrize("other", [b"", b"onE", b"on", b"ones"], ids=repr)
    def test_a_blob_of_other_bytes_is_not_taken(self, both: Both, other: bytes) -> None:
        with pytest.raises(EngineError):
            both.put_blob(describe(b"one"), lambda: [other])
        assert not both.has_blob(describe(b"one"))

    def test_what_the_chunks_raise_goes_through_and_leaves_nothing(self, both: Both) -> None:
        def broken() -> Iterator[bytes]:
            yield b"on"
            raise OSError(5, "the disk is broken")

        with pytest.raises(OSError, match="the disk is broken"):
            both.put_blob(describe(b"one"), broken)
        assert not both.has_blob(describe(b"one"))
        with pytest.raises(OSError, match="the disk is broken"):
            both.put_stream(mediatype.OCI_LAYER_GZIP, broken())

    def test_the_name_stands_for_the_last_manifest_put_under_it(self, both: Both) -> None:
        put_image(both, b"old")
        manifest = put_image(both, b"new")
        assert both.resolve() == manifest.descriptor
        assert both.document(manifest.descriptor) == manifest.raw

    def test_a_config_is_a_document_too(self, both: Both) -> None:
        manifest = put_image(both)
        assert Digest.of(both.document(manifest.config)) == manifest.config.digest

    def test_an_index_stands_for_its_manifests(self, both: Both) -> None:
        manifest = put_image(both, tag="")
        entry = msgspec.structs.replace(manifest.descriptor, platform=Platform("amd64"))
        index = Index.build([entry])
        both.put_document(index.descriptor, index.raw, tag=TAG)
        found = both.resolve()
        assert found == index.descriptor
        read_back = Index.parse(both.document(found), media_type=found.media_type)
        assert read_back.manifests == (entry,)
        assert both.document(manifest.descriptor) == manifest.raw

    def test_an_empty_place_resolves_to_nothing(self, both: Both) -> None:
        with pytest.raises(NotFound):
            both.resolve()

    def test_a_document_that_is_not_there_is_not_found(self, both: Both) -> None:
        manifest = put_image(both)
        other = msgspec.structs.replace(manifest, raw=manifest.raw + b" ")
        with pytest.raises(NotFound):
            both.document(other.descriptor)

    def test_a_document_of_another_size_is_corrupt(self, both: Both) -> None:
        manifest = put_image(both)
        with pytest.raises(Corrupt):
            both.document(msgspec.structs.replace(manifest.descriptor, size=len(manifest.raw) + 1))

    def test_a_document_beyond_the_limit_is_not_read(self, both: Both) -> None:
        manifest = put_image(both)
        with pytest.raises(Invalid, match="larger"):
            both.document(msgspec.structs.replace(manifest.descriptor, size=100 << 20))

    def test_a_document_of_other_bytes_is_not_taken(self, both: Both) -> None:
        manifest = put_image(both)
        with pytest.raises(Corrupt):
            both.put_document(manifest.descriptor, manifest.raw + b" ", tag=TAG)
        assert both.resolve() == manifest.descriptor

    def test_what_is_attached_is_told_by_its_subject(self, both: Both) -> None:
        manifest, other = put_image(both), put_image(both, b"other", tag="v2")
        assert list(both.referrers(manifest.digest)) == []
        put = [attach(both, manifest, name) for name in ("application/a", "application/b")]
        attach(both, other, "application/c")
        attach(both, manifest, "application/a")
        found = both.referrers(manifest.digest)
        assert {(each.digest, each.artifact_type) for each in found} == {
            (each.digest, each.artifact_type) for each in put
        }
        assert len(found) == 2
        for each in put:
            assert both.document(each.manifest.descriptor) == each.manifest.raw
            assert read(both, each.payload) == b"proof"
        assert both.resolve() == manifest.descriptor

    def test_an_artifact_of_other_bytes_is_not_taken(self, both: Both) -> None:
        manifest = put_image(both)
        artifact = Artifact.of_document(manifest.descriptor, "application/a", b"proof")
        with pytest.raises(Corrupt):
            both.put_referrer(artifact.descriptor, artifact.manifest.raw + b" ", manifest.digest)
        assert list(both.referrers(manifest.digest)) == []
