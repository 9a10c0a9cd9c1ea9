"""Attestations: statements in BuildKit's form, and what changes when their subject does."""

from __future__ import annotations

import json

from lamina.oci.attestation import Attestation, Statement, subject_of
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.oci.manifest import Index
from lamina.oci.mediatype import OCI_MANIFEST
from lamina.oci.platform import Platform

OLD, NEW, OTHER = (Digest.of(each) for each in (b"old", b"new", b"other"))
URL = "pkg:docker/app@1?platform=linux%2Famd64"


def attestation(subject: Digest = OLD) -> Attestation:
    statements = [
        Statement.make("https://spdx.dev/Document", {"packages": []}, subject, [URL]),
        Statement.make("https://slsa.dev/provenance/v0.2", {"builder": {"id": ""}}, subject),
    ]
    return Attestation.make(subject, statements)


def test_the_form_of_a_statement() -> None:
    first, second = attestation().statements
    assert json.loads(first.raw) == {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://spdx.dev/Document",
        "subject": [{"name": URL, "digest": {"sha256": OLD.hex}}],
        "predicate": {"packages": []},
    }
    assert json.loads(second.raw)["subject"] == [{"name": "_", "digest": {"sha256": OLD.hex}}]


def test_the_form_of_the_manifest_and_of_its_place_in_the_index() -> None:
    found = attestation()
    manifest = json.loads(found.manifest.raw)
    assert manifest["mediaType"] == OCI_MANIFEST
    assert {each["mediaType"] for each in manifest["layers"]} == {"application/vnd.in-toto+json"}
    assert [each["annotations"] for each in manifest["layers"]] == [
        {"in-toto.io/predicate-type": "https://spdx.dev/Document"},
        {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
    ]
    config = json.loads(found.config)
    assert (config["architecture"], config["os"]) == ("unknown", "unknown")
    assert config["rootfs"]["diff_ids"] == [each["digest"] for each in manifest["layers"]]
    assert json.loads(encode(found.descriptor)) == {
        "mediaType": OCI_MANIFEST,
        "digest": str(found.manifest.digest),
        "size": len(found.manifest.raw),
        "annotations": {
            "vnd.docker.reference.digest": str(OLD),
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    }


def test_every_blob_is_what_its_name_says() -> None:
    found = attestation()
    named = {found.manifest.config.digest, *(each.digest for each in found.manifest.layers)}
    assert set(found.blobs) == named
    assert all(Digest.of(raw) == digest for digest, raw in found.blobs.items())


def test_an_image_is_found_past_its_attestations() -> None:
    image = Descriptor(OCI_MANIFEST, OLD, 3, platform=Platform("amd64"))
    index = Index.build([attestation().descriptor, image])
    assert index.images() == (image,)
    assert index.select(Platform("amd64"), what="x") == image
    assert [subject_of(each) for each in index.manifests] == [OLD, None]


def test_another_manifest_of_the_image_has_the_same_stated_of_it() -> None:
    assert attestation().about(NEW) == attestation(NEW)
    assert attestation().about(OLD) is not None
    assert attestation().about(OLD).manifest.digest == attestation().manifest.digest


def test_a_statement_about_something_else_goes_on_being_about_that() -> None:
    raw = encode({"subject": [{"name": "a", "digest": {"sha256": OTHER.hex, "sha1": "x"}}]})
    (moved,) = Attestation.make(OLD, [Statement("p", raw)]).about(NEW).statements
    assert json.loads(moved.raw) == json.loads(raw)
