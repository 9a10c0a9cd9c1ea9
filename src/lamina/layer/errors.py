"""What can be wrong with a layer's bytes."""

from __future__ import annotations

from lamina.errors import Corrupt, Invalid
from lamina.oci.digest import Digest


class BadLayer(Invalid):
    """A tar that breaks a rule: its format, or where its names may lead."""


class DiffIdMismatch(Corrupt):
    """The tar stream is not the one that the image's config names."""

    def __init__(self, expected: Digest, actual: Digest) -> None:
        super().__init__(
            f"layer {expected} came as other bytes: {actual}",
            hint="the image, or what it came through, is damaged; pull it again",
        )
        self.expected = expected
        self.actual = actual
