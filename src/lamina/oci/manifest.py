"""Manifests and indexes (OCI image-spec; Docker image manifest schema 2).  Pure.

Both keep the bytes they came from: `digest` is of those bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lamina.errors import EngineError, NotFound, Unsupported
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, decode, encode
from lamina.oci.platform import Platform


class NoSuchPlatform(NotFound):
    """The index has no image that runs on the platform."""


class NotAnImage(Unsupported):
    """A manifest of a kind that is not an image: schema 1, an artifact."""


class _ManifestView(msgspec.Struct, rename="camel"):
    config: Descriptor
    layers: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class _IndexView(msgspec.Struct, rename="camel"):
    manifests: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class _Probe(msgspec.Struct, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    manifests: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Manifest(msgspec.Struct, frozen=True):
    """One image for one platform: its config and its layers, the lowest first."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def parse(cls, raw: bytes, *, media_type: str = "", what: str = "manifest") -> Manifest:
        """Read a manifest; `media_type` is what the sender called it.

        Raises BadDocument when it is not one, NotAnImage for Docker's schema 1.
        """
        found = document_type(raw, media_type=media_type, what=what)
        if found not in mediatype.MANIFESTS:
            raise BadDocument(f"{what} is not an image manifest but {found}")
        view = decode(raw, _ManifestView, what=what)
        return cls(
            raw,
            found,
            view.config,
            view.layers,
            view.annotations or {},
            view.artifact_type,
            view.subject,
        )

    @classmethod
    def build(
        cls,
        config: Descriptor,
        layers: Iterable[Descriptor],
        *,
        media_type: str = mediatype.OCI_MANIFEST,
        annotations: Mapping[str, str] | None = None,
        artifact_type: str = "",
        subject: Descriptor | None = None,
    ) -> Manifest:
        """A new manifest over `config` and `layers`; of an artifact, with its type and subject."""
        document: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type}
        if artifact_type:
            document["artifactType"] = artifact_type
        document |= {"config": config, "layers": list(layers)}
        if subject is not None:
            document["subject"] = subject
        if annotations:
            document["annotations"] = dict(annotations)
        return cls.parse(encode(document))

    @property
    def digest(self) -> Digest:
        """Of the bytes as they came."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """What names this manifest in an index or a store."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    def require_image(self, what: str) -> None:
        """Raise NotAnImage unless config and every layer are an image's."""
        if self.config.media_type not in mediatype.CONFIGS:
            raise NotAnImage(
                f"{what} is not an image: its config is {self.config.media_type}",
                hint="it may be an artifact, such as a chart or a signature",
            )
        for layer in self.layers:
            if mediatype.layer_compression(layer.media_type) is None:
                raise NotAnImage(f"{what} has a layer of unknown type {layer.media_type}")


class Index(msgspec.Struct, frozen=True):
    """Manifests for several platforms under one digest."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes, *, media_type: str = "", what: str = "index") -> Index:
        """Read an index; raises BadDocument when it is not one."""
        found = document_type(raw, media_type=media_type, what=what)
        if found not in mediatype.INDEXES:
            raise BadDocument(f"{what} is not an image index but {found}")
        view = decode(raw, _IndexView, what=what)
        return cls(raw, found, view.manifests, view.annotations or {})

    @classmethod
    def build(
        cls, manifests: Iterable[Descriptor], *, media_type: str = mediatype.OCI_INDEX
    ) -> Index:
        """A new index over `manifests`."""
        return cls.parse(
            encode({"schemaVersion": 2, "mediaType": media_type, "manifests": list(manifests)})
        )

    @property
    def digest(self) -> Digest:
        """Of the bytes as they came."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """What names this index."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    def images(self) -> tuple[Descriptor, ...]:
        """The manifests that are images: not attestations (platform `unknown/unknown`), nor
        artifacts (`artifactType`)."""
        return tuple(
            each
            for each in self.manifests
            if each.media_type in mediatype.MANIFESTS | mediatype.INDEXES
            and not (each.platform is not None and each.platform.os == "unknown")
            and not each.is_artifact
        )

    def select(self, platform: Platform, *, what: str) -> Descriptor:
        """The manifest that runs best on `platform`; the first where several are equal.

        An entry that names no platform is taken only when nothing else fits.
        Raises NoSuchPlatform.
        """
        ranked = [
            (rank, place, each)
            for place, each in enumerate(self.images())
            if (rank := 99 if each.platform is None else platform.rank(each.platform)) is not None
        ]
        if not ranked:
            there = ", ".join(str(each.platform) for each in self.images()) or "nothing"
            raise NoSuchPlatform(
                f"{what} has no image for {platform}",
                hint=f"it has: {there}; choose with --platform",
            )
        return min(ranked, key=lambda row: row[:2])[2]


def document_type(raw: bytes, *, media_type: str = "", what: str = "manifest") -> str:
    """The media type of a manifest or index, from its own field, its sender or its shape.

    Raises BadDocument when `raw` is neither, or says that it is something else
    than its sender says (OCI image-spec 1.1, "mediaType" must agree).
    """
    try:
        probe = decode(raw, _Probe, what=what)
    except EngineError:
        if raw.lstrip()[:1] == b"<":
            raise BadDocument(
                f"{what} is an HTML page, not JSON", hint="is this the address of a registry?"
            ) from None
        raise
    known = mediatype.MANIFESTS | mediatype.INDEXES
    if probe.schema_version == 1 or media_type in (
        mediatype.DOCKER_MANIFEST_V1,
        mediatype.DOCKER_MANIFEST_V1_SIGNED,
    ):
        raise NotAnImage(
            f"{what} is in Docker's schema 1, which was retired in 2017",
            hint="push the image again with a current tool",
        )
    if probe.media_type and media_type in known and probe.media_type != media_type:
        raise BadDocument(f"{what} says it is {probe.media_type} but was sent as {media_type}")
    found = probe.media_type or (media_type if media_type in known else "")
    if not found:
        if probe.manifests is not msgspec.UNSET:
            found = mediatype.OCI_INDEX
        elif probe.config is not msgspec.UNSET:
            found = mediatype.OCI_MANIFEST
    if found not in known:
        raise BadDocument(f"{what} is neither a manifest nor an index ({found or 'no type'})")
    return found
