"""Content digests (OCI image-spec, descriptor.md, "Digests").  Pure."""

from __future__ import annotations

import re
from typing import final

from lamina.errors import Invalid
from lamina.sha256 import sha256

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


class BadDigest(Invalid):
    """The text is not a digest we can check."""


@final
class Digest:
    """The sha256 of some bytes, as `sha256:<64 hex>`; never a bare str.

    A value: compares, sorts and hashes as its text.  (Not a dataclass, which
    msgspec would read as a JSON object.)  sha512 is registered in the
    specification too, but no registry or tool in use writes it: it is refused.
    """

    __slots__ = ("text",)
    text: str

    def __init__(self, text: str) -> None:
        if not _FORM.fullmatch(text):
            raise BadDigest(
                f"not a sha256 digest: {text[:100]!r}",
                hint="a digest is sha256: and 64 hexadecimal digits, lower case",
            )
        object.__setattr__(self, "text", text)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Digest does not change")

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> Digest:
        """The digest of `data`."""
        return cls.from_raw(sha256(data))

    @classmethod
    def from_raw(cls, raw: bytes) -> Digest:
        """The digest whose 32 raw bytes are `raw` (what `hashlib`'s `digest()` returns)."""
        return cls("sha256:" + raw.hex())

    @property
    def hex(self) -> str:
        """The 64 hexadecimal digits."""
        return self.text[7:]

    @property
    def raw(self) -> bytes:
        """The 32 bytes."""
        return bytes.fromhex(self.text[7:])

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits, as Docker prints ids."""
        return self.text[7:19]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and self.text == other.text

    def __lt__(self, other: Digest) -> bool:
        return self.text < other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[type[Digest], tuple[str]]:
        return Digest, (self.text,)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Digest({self.text!r})"
