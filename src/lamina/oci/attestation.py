"""Attestations: statements about an image that lie beside it in its index.  Pure.

The form is BuildKit's (its docs/attestations/attestation-storage.md): a manifest for the
platform unknown/unknown whose layers are in-toto statements (in-toto attestation framework
0.1) and whose place in the index names the image that they are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform

STATEMENT = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
_ABOUT = "vnd.docker.reference.digest"
_KIND = "vnd.docker.reference.type"
_ATTESTATION = "attestation-manifest"
_UNKNOWN = Platform("unknown", "unknown")


class Statement(msgspec.Struct, frozen=True):
    """A statement: its bytes, and what kind of thing it states."""

    predicate_type: str
    raw: bytes

    @classmethod
    def make(
        cls, predicate_type: str, predicate: Any, subject: Digest, names: Sequence[str] = ()
    ) -> Statement:
        """State `predicate` (JSON values) of the image whose manifest is `subject`, by its
        `names`, which are package URLs."""
        digest = {"sha256": subject.hex}
        document = {
            "_type": _STATEMENT_TYPE,
            "predicateType": predicate_type,
            "subject": [{"name": name, "digest": digest} for name in names or ("_",)],
            "predicate": predicate,
        }
        return cls(predicate_type, encode(document))

    def about(self, old: Digest, new: Digest) -> Statement:
        """The same statement about another manifest of the image: `new` in the place of `old`."""
        document = msgspec.json.decode(self.raw)
        for subject in document["subject"]:
            if subject.get("digest", {}).get("sha256") == old.hex:
                subject["digest"]["sha256"] = new.hex
        return Statement(self.predicate_type, encode(document))

    @property
    def descriptor(self) -> Descriptor:
        """What names it as a layer."""
        annotations = {PREDICATE_TYPE: self.predicate_type}
        return Descriptor(STATEMENT, Digest.of(self.raw), len(self.raw), annotations=annotations)


class Attestation(msgspec.Struct, frozen=True):
    """All statements about one image, and the documents that hold them together."""

    subject: Digest
    """Of the image's manifest."""
    statements: tuple[Statement, ...]
    config: bytes
    manifest: Manifest

    @classmethod
    def make(cls, subject: Digest, statements: Iterable[Statement]) -> Attestation:
        """Put statements about the image of the manifest `subject` together."""
        each = tuple(statements)
        layers = [statement.descriptor for statement in each]
        config = encode(
            {
                "architecture": _UNKNOWN.architecture,
                "os": _UNKNOWN.os,
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            }
        )
        described = Descriptor(mediatype.OCI_CONFIG, Digest.of(config), len(config))
        return cls(subject, each, config, Manifest.build(described, layers))

    def about(self, subject: Digest) -> Attestation:
        """The same about another manifest of the image."""
        if subject == self.subject:
            return self
        return Attestation.make(
            subject, (each.about(self.subject, subject) for each in self.statements)
        )

    @property
    def descriptor(self) -> Descriptor:
        """Its place in the image's index."""
        annotations = {_ABOUT: str(self.subject), _KIND: _ATTESTATION}
        return msgspec.structs.replace(
            self.manifest.descriptor, annotations=annotations, platform=_UNKNOWN
        )

    @property
    def blobs(self) -> Mapping[Digest, bytes]:
        """What its manifest names."""
        found = {Digest.of(each.raw): each.raw for each in self.statements}
        return {**found, self.manifest.config.digest: self.config}


def subject_of(entry: Descriptor) -> Digest | None:
    """The manifest that an entry of an index attests to; None for one that is no attestation."""
    if entry.annotations.get(_KIND) != _ATTESTATION or _ABOUT not in entry.annotations:
        return None
    return Digest(entry.annotations[_ABOUT])
