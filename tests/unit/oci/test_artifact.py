"""Artifacts: their form, and what changes when their subject does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci import mediatype
from lamina.oci.artifact import DIFF_ID, Artifact, fallback_tag
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import BadDigest, Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform

TYPE = "application/vnd.lamina.slim.proof.v1+json"
SUBJECT = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"image"), 500, platform=Platform("amd64"))
OTHER = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"other"), 600)
TAR = Digest.of(b"tar")
GZIP = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"gz"), 40)


def test_the_form_of_a_document() -> None:
    artifact = Artifact.of_document(SUBJECT, TYPE, b'{"a":1}', annotations={"k": "v"})
    assert json.loads(artifact.manifest.raw) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": TYPE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [
            {"mediaType": TYPE, "digest": str(Digest.of(b'{"a":1}')), "size": 7},
        ],
        "subject": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": str(SUBJECT.digest),
            "size": 500,
        },
        "annotations": {"k": "v"},
    }
    assert artifact.size == len(artifact.manifest.raw) + 2 + 7
    assert artifact.contents == {artifact.payload.digest: b'{"a":1}'}


@given(st.binary(max_size=50), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_the_same_input_is_the_same_artifact_and_reads_back(
    content: bytes, notes: dict[str, str]
) -> None:
    made = [Artifact.of_document(SUBJECT, TYPE, content, annotations=notes) for _ in range(2)]
    assert made[0].digest == made[1].digest
    read = Artifact.read(Manifest.parse(made[0].manifest.raw))
    assert (read.artifact_type, read.payload, read.subject.digest) == (
        TYPE,
        made[0].payload,
        SUBJECT.digest,
    )
    assert read.manifest.annotations == notes


def test_a_layer_is_known_by_its_diff_id_in_any_blob() -> None:
    stored = Artifact.of_layer(SUBJECT, TYPE, TAR, 100)
    assert (stored.diff_ids, stored.stored_layers) == ((TAR,), (TAR,))
    assert stored.documents == (stored.manifest.config,)
    sent = stored.about(OTHER, {TAR: GZIP})
    assert sent.subject == OTHER
    assert (sent.diff_ids, sent.stored_layers) == ((TAR,), ())
    assert sent.payload.annotations == {DIFF_ID: str(TAR)}
    assert (sent.payload.digest, sent.payload.size) == (GZIP.digest, GZIP.size)
    assert sent.about(OTHER, {TAR: GZIP}) is sent


def test_about_another_manifest_only_the_subject_changes() -> None:
    artifact = Artifact.of_document(SUBJECT, TYPE, b"proof", annotations={"k": "v"})
    moved = artifact.about(OTHER, {})
    assert moved == Artifact.of_document(OTHER, TYPE, b"proof", annotations={"k": "v"})
    assert artifact.about(SUBJECT, {}) is artifact


def test_the_config_of_another_programs_artifact_stays() -> None:
    config = Descriptor("application/vnd.example.config", Digest.of(b"config"), 6)
    raw = Manifest.build(config, [GZIP], subject=SUBJECT).raw
    artifact = Artifact.read(Manifest.parse(raw))
    assert artifact.artifact_type == "application/vnd.example.config"
    moved = artifact.about(OTHER, {})
    assert moved.manifest.config == config
    assert (moved.manifest.artifact_type, moved.diff_ids) == ("", ())
    assert moved.documents == (config, GZIP)


def test_what_is_no_artifact() -> None:
    config = Descriptor(mediatype.OCI_EMPTY, Digest.of(b"{}"), 2)
    with pytest.raises(BadDocument, match="attached to nothing"):
        Artifact.read(Manifest.build(config, [GZIP]))
    with pytest.raises(BadDocument, match="nothing in it"):
        Artifact.read(Manifest.build(config, [], subject=SUBJECT))
    bad = Descriptor(GZIP.media_type, GZIP.digest, GZIP.size, annotations={DIFF_ID: "../../etc"})
    with pytest.raises(BadDigest):
        Artifact.read(Manifest.build(config, [bad], subject=SUBJECT))


def test_an_artifact_in_an_index_is_no_image() -> None:
    artifact = Artifact.of_document(SUBJECT, TYPE, b"proof")
    image = Descriptor(mediatype.OCI_MANIFEST, SUBJECT.digest, 500, artifact_type="")
    named = Descriptor(
        mediatype.OCI_MANIFEST, OTHER.digest, 500, artifact_type=mediatype.OCI_CONFIG
    )
    assert Index.build([image, artifact.descriptor, named]).images() == (image, named)


def test_the_fallback_tag() -> None:
    assert fallback_tag(SUBJECT.digest) == "sha256-" + SUBJECT.digest.hex
