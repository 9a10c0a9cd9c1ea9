"""Copying: every digest stays, nothing is sent twice, wrong bytes do not arrive."""

from __future__ import annotations

import pytest

from lamina.errors import EngineError, Unavailable
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Index, NoSuchPlatform
from lamina.oci.platform import Platform
from lamina.store.errors import DigestMismatch, SizeMismatch
from lamina.transfer.copy import copy
from tests.fakes.transfer import Collected, MemoryPlace
from tests.unit.transfer.material import AMD64, ARM64, put, put_image, put_index, put_manifest


def run(
    source: MemoryPlace,
    sink: MemoryPlace,
    *,
    platform: Platform | None = AMD64,
    origin: str = "",
    progress: Collected | None = None,
) -> Descriptor:
    return copy(
        source,
        sink,
        tag="v1",
        platform=platform,
        progress=progress or Collected(),
        what="the source",
        origin=origin,
    )


def test_an_image_arrives_byte_for_byte() -> None:
    source, sink = MemoryPlace(), MemoryPlace()
    manifest = put_image(source)
    assert run(source, sink) == manifest.descriptor
    assert sink.blobs == source.blobs
    assert sink.resolve() == manifest.descriptor
    assert sink.calls[-1] == ("document", manifest.digest)


def test_one_platform_of_an_index() -> None:
    source, sink = MemoryPlace(), MemoryPlace()
    index = put_index(source, AMD64, ARM64)
    copied = run(source, sink, platform=ARM64)
    assert copied.digest == index.manifests[1].digest
    assert index.digest not in sink.blobs
    assert copied.platform is None


def test_a_whole_index_with_its_attestations() -> None:
    source, sink = MemoryPlace(), MemoryPlace()
    image = put_manifest(source)
    proof = put_manifest(source, [b"proof"], pack=lambda data: data, layer_type="text/plain")
    unknown = Platform("unknown", "unknown")
    index = Index.build(
        [
            image.descriptor,
            Descriptor(proof.media_type, proof.digest, len(proof.raw), platform=unknown),
        ]
    )
    source.tags["v1"] = put(source, index.raw, index.media_type)
    assert run(source, sink, platform=None).digest == index.digest
    assert sink.blobs == source.blobs


def test_what_is_there_is_not_sent() -> None:
    source, sink, progress = MemoryPlace(), MemoryPlace(), Collected()
    put_image(source)
    run(source, sink)
    sink.calls.clear()
    run(source, sink, progress=progress)
    assert sink.did("put") == []
    assert {what for _, what in progress.finished} == {"Already exists"}


def test_blobs_are_taken_over_from_a_neighbour() -> None:
    source = MemoryPlace()
    put_image(source)
    sink = MemoryPlace(neighbours={"team/app": set(source.blobs)})
    run(source, sink, origin="team/app")
    assert sink.did("put") == []
    assert len(sink.did("mount team/app")) == 3


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data: data[:-1], SizeMismatch),
        (lambda data: data + b"x", SizeMismatch),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), DigestMismatch),
    ],
    ids=["short", "long", "flipped"],
)
def test_wrong_bytes_do_not_arrive(change, kind: type[EngineError]) -> None:  # type: ignore[no-untyped-def]
    source, sink = MemoryPlace(), MemoryPlace()
    layer = put_image(source).layers[0]
    source.blobs[layer.digest] = change(source.blobs[layer.digest])
    with pytest.raises(kind):
        run(source, sink)
    assert layer.digest not in sink.blobs
    assert sink.tags == {}


def test_a_source_that_breaks_names_nothing() -> None:
    source, sink = MemoryPlace(break_at=0), MemoryPlace()
    put_image(source)
    with pytest.raises(Unavailable, match="connection is gone"):
        run(source, sink)
    assert sink.tags == {}


def test_no_such_platform() -> None:
    source, sink = MemoryPlace(), MemoryPlace()
    put_index(source, ARM64)
    with pytest.raises(NoSuchPlatform, match="the source has no image for linux/amd64"):
        run(source, sink)
    assert sink.calls == []


def test_foreign_layers_stay_where_they_are() -> None:
    source, sink = MemoryPlace(), MemoryPlace()
    manifest = put_image(source, layer_type=mediatype.DOCKER_FOREIGN_LAYER_GZIP)
    run(source, sink)
    assert not {each.digest for each in manifest.layers} & set(sink.blobs)
