"""Artifacts attached to an image: manifests whose `subject` is the image's manifest.  Pure.

The form is that of OCI image-spec 1.1, manifest.md, "Guidelines for Artifact Usage": the type
is in `artifactType`, the config is empty, and the payload is the manifest's one layer.
Registries list them by the subject's digest (distribution-spec 1.1, "Listing Referrers").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Manifest

OUR_TYPES = "application/vnd.lamina."
"""What the types begin with that Lamina makes and understands: a pull brings these along."""
DIFF_ID = "dev.lamina.diff-id"
"""Annotation on a payload that is a compressed layer: the digest of its tar."""
EMPTY = b"{}"
_FALLBACK = r"sha256-[0-9a-f]{64}"
_EMPTY_CONFIG = Descriptor(mediatype.OCI_EMPTY, Digest.of(EMPTY), len(EMPTY))


class Artifact(msgspec.Struct, frozen=True):
    """Something that is known of an image, and is kept and moved with it."""

    manifest: Manifest
    subject: Descriptor
    """The image's manifest."""
    contents: Mapping[Digest, bytes] = {}
    """Payloads that are in memory; the others are stored."""

    @classmethod
    def of_document(
        cls,
        subject: Descriptor,
        artifact_type: str,
        content: bytes,
        *,
        media_type: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> Artifact:
        """Attach a document; without a `media_type` of its own it has that of the artifact.

        The same arguments give the same bytes.
        """
        payload = Descriptor(media_type or artifact_type, Digest.of(content), len(content))
        made = cls._of(subject, artifact_type, [payload], annotations)
        return msgspec.structs.replace(made, contents={payload.digest: content})

    @classmethod
    def of_layer(
        cls,
        subject: Descriptor,
        artifact_type: str,
        diff_id: Digest,
        size: int,
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> Artifact:
        """Attach a layer, given by its diff_id; `size` is that of its tar, in bytes."""
        payload = Descriptor(mediatype.OCI_LAYER, diff_id, size)
        return cls._of(subject, artifact_type, [payload], annotations)

    @classmethod
    def _of(
        cls,
        subject: Descriptor,
        artifact_type: str,
        layers: Iterable[Descriptor],
        annotations: Mapping[str, str] | None,
        config: Descriptor = _EMPTY_CONFIG,
    ) -> Artifact:
        # What a subject is called or runs on is said elsewhere: the artifact is about its bytes.
        bare = Descriptor(subject.media_type, subject.digest, subject.size)
        manifest = Manifest.build(
            config,
            layers,
            artifact_type=artifact_type,
            subject=bare,
            annotations=annotations,
        )
        return cls(manifest, bare)

    @classmethod
    def read(cls, manifest: Manifest) -> Artifact:
        """The artifact that a manifest is.

        Raises BadDocument when it is attached to nothing or has nothing in it, and BadDigest
        when what it says of a layer in it cannot be.
        """
        if manifest.subject is None:
            raise BadDocument(f"manifest {manifest.digest} is attached to nothing")
        if not manifest.layers:
            raise BadDocument(f"artifact {manifest.digest} has nothing in it")
        for each in manifest.layers:
            diff_id_of(each)
        return cls(manifest, manifest.subject)

    def about(self, subject: Descriptor, layers: Mapping[Digest, Descriptor]) -> Artifact:
        """The same about another manifest of the image, its layers (by diff_id) in other blobs."""
        payloads = []
        for each in self.manifest.layers:
            diff_id = diff_id_of(each)
            blob = None if diff_id is None else layers.get(diff_id)
            if blob is not None and blob.digest != each.digest:
                notes = {**each.annotations, DIFF_ID: str(diff_id)}
                blob = Descriptor(blob.media_type, blob.digest, blob.size, annotations=notes)
                payloads.append(blob)
            else:
                payloads.append(each)
        if subject.digest == self.subject.digest and tuple(payloads) == self.manifest.layers:
            return self
        old = self.manifest
        moved = Artifact._of(
            subject, old.artifact_type, payloads, old.annotations, config=old.config
        )
        return msgspec.structs.replace(moved, contents=self.contents)

    @property
    def artifact_type(self) -> str:
        """What kind of thing it is; the config's type where that says it (OCI image-spec 1.0)."""
        return self.manifest.artifact_type or self.manifest.config.media_type

    @property
    def digest(self) -> Digest:
        """Of its manifest."""
        return self.manifest.digest

    @property
    def payload(self) -> Descriptor:
        """The first of its layers, which of those that Lamina makes is the only one.

        A document is the blob of that digest; of a layer `diff_ids` tells which it is.
        """
        return self.manifest.layers[0]

    @property
    def size(self) -> int:
        """Bytes of all that is in it, as a registry counts: manifest, config and payloads."""
        named = (self.manifest.config, *self.manifest.layers)
        return len(self.manifest.raw) + sum(each.size for each in named)

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """Of the payloads that are layers."""
        found = map(diff_id_of, self.manifest.layers)
        return tuple(each for each in found if each is not None)

    @property
    def stored_layers(self) -> tuple[Digest, ...]:
        """The diff_ids of those payloads that are no blob anywhere: layers kept by the store."""
        return tuple(
            each.digest for each in self.manifest.layers if diff_id_of(each) == each.digest
        )

    @property
    def documents(self) -> tuple[Descriptor, ...]:
        """The config, and the payloads that are not layers: blobs to be kept as they are."""
        plain = (each for each in self.manifest.layers if diff_id_of(each) is None)
        return (self.manifest.config, *plain)

    @property
    def descriptor(self) -> Descriptor:
        """Its entry in a list of what is attached to its subject."""
        return msgspec.structs.replace(
            self.manifest.descriptor,
            artifact_type=self.artifact_type,
            annotations=dict(self.manifest.annotations),
        )


def diff_id_of(payload: Descriptor) -> Digest | None:
    """The layer that a payload is; None for one that is something else.

    Raises BadDigest where it is said to be what cannot be.
    """
    compression = mediatype.layer_compression(payload.media_type)
    if compression is None:
        return None
    if compression == "none":
        return payload.digest
    told = payload.annotations.get(DIFF_ID, "")
    return Digest(told) if told else None


def fallback_tag(subject: Digest) -> str:
    """The tag under which a registry that cannot list has the index of what is attached to
    `subject` (distribution-spec 1.1, "Referrers Tag Schema")."""
    return f"sha256-{subject.hex}"


def is_fallback_tag(tag: str) -> bool:
    """Whether a tag names such an index, and no image."""
    return re.fullmatch(_FALLBACK, tag) is not None
