"""Descriptors (OCI image-spec, descriptor.md).  Pure."""

from __future__ import annotations

import msgspec

from lamina.oci import mediatype
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What something is (media type), which bytes it is (digest) and how many (size)."""

    media_type: str
    digest: Digest
    size: int
    """Bytes."""
    urls: tuple[str, ...] = ()
    annotations: dict[str, str] = {}
    platform: Platform | None = None
    artifact_type: str = ""

    @property
    def is_artifact(self) -> bool:
        """Whether an entry of an index says that it is an artifact and no image."""
        return bool(self.artifact_type) and self.artifact_type not in mediatype.CONFIGS
