from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Index, Manifest, NoSuchPlatform, NotAnImage
from lamina.oci.platform import Platform

CONFIG = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"{}"), 2)
LAYER = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"layer"), 5)


def test_a_manifest_keeps_its_bytes() -> None:
    document = {
        "schemaVersion": 2,
        "layers": [{"mediaType": LAYER.media_type, "digest": str(LAYER.digest), "size": 5}],
        "config": {"mediaType": CONFIG.media_type, "digest": str(CONFIG.digest), "size": 2},
        "com.example.unknown": {"kept": True},
    }
    raw = json.dumps(document, indent=3).encode()
    manifest = Manifest.parse(raw)
    assert manifest.raw == raw
    assert manifest.digest == Digest.of(raw)
    assert manifest.layers == (LAYER,)
    assert manifest.config == CONFIG
    assert manifest.media_type == mediatype.OCI_MANIFEST


def test_build_then_parse() -> None:
    manifest = Manifest.build(CONFIG, [LAYER, LAYER], annotations={"a": "b"})
    again = Manifest.parse(manifest.raw)
    assert again == manifest
    assert again.annotations == {"a": "b"}
    assert again.descriptor == Descriptor(mediatype.OCI_MANIFEST, again.digest, len(again.raw))


@pytest.mark.parametrize(
    ("raw", "media_type", "says"),
    [
        (b"", "", "not valid"),
        (b"nonsense", "", "not valid"),
        (b"<html><body>log in</body></html>", "", "HTML page"),
        (b"[]", "", "not valid"),
        (b"{}", "", "neither a manifest nor an index"),
        (b'{"schemaVersion":2,"config":{},"layers":[]}', "", "not valid"),
        (b'{"schemaVersion":2,"manifests":[]}', "", "not an image manifest"),
        (
            b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}',
            mediatype.OCI_MANIFEST,
            "was sent as",
        ),
        (b"[" * 100_000, "", "not valid"),
        (b"\xff\xfe", "", "not valid"),
    ],
)
def test_what_is_no_manifest_is_refused(raw: bytes, media_type: str, says: str) -> None:
    with pytest.raises(BadDocument, match=says):
        Manifest.parse(raw, media_type=media_type, what="x:1")


def test_schema_1_is_named() -> None:
    with pytest.raises(NotAnImage, match="schema 1"):
        Manifest.parse(b'{"schemaVersion":1,"name":"x"}')


def test_an_artifact_is_no_image() -> None:
    helm = Descriptor("application/vnd.cncf.helm.config.v1+json", Digest.of(b""), 0)
    with pytest.raises(NotAnImage, match="helm"):
        Manifest.build(helm, []).require_image("chart:1")
    odd = Descriptor("application/x-odd", Digest.of(b""), 0)
    with pytest.raises(NotAnImage, match="x-odd"):
        Manifest.build(CONFIG, [odd]).require_image("odd:1")
    Manifest.build(CONFIG, [LAYER]).require_image("fine:1")


def _named(architecture: str, variant: str = "", os: str = "linux") -> Descriptor:
    platform = Platform(architecture, os, variant=variant)
    digest = Digest.of(str(platform).encode())
    return Descriptor(mediatype.OCI_MANIFEST, digest, 1, platform=platform)


def test_an_index_gives_the_best_platform() -> None:
    index = Index.build(
        [_named("arm", "v6"), _named("arm", "v7"), _named("arm64", "v8"), _named("amd64")]
    )
    assert index.select(Platform("arm", variant="v7"), what="x") == _named("arm", "v7")
    assert index.select(Platform("arm64"), what="x") == _named("arm64", "v8")
    assert index.select(Platform("arm", variant="v6"), what="x") == _named("arm", "v6")


def test_an_index_without_our_platform_says_what_it_has() -> None:
    index = Index.build([_named("s390x"), _named("unknown", os="unknown")])
    with pytest.raises(NoSuchPlatform, match="x:1 has no image for linux/amd64") as caught:
        index.select(Platform("amd64"), what="x:1")
    assert caught.value.hint == "it has: linux/s390x; choose with --platform"


def test_an_entry_without_platform_is_the_last_resort() -> None:
    bare = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"bare"), 1)
    assert Index.build([bare]).select(Platform("amd64"), what="x") == bare
    both = Index.build([bare, _named("amd64")])
    assert both.select(Platform("amd64"), what="x") == _named("amd64")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_clear_error(raw: bytes) -> None:
    try:
        Manifest.parse(raw)
    except (BadDocument, NotAnImage):
        return
    raise AssertionError("random bytes cannot name a config")
