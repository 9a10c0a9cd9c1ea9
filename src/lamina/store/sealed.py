"""The store's own JSON files carry the sha256 of themselves, so that no flipped bit goes unseen.

The checksum is 64 hexadecimal digits somewhere in the file: the sha256 of the
file with these digits replaced by zeros.  Pure.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lamina.errors import Invalid
from lamina.oci.document import encode
from lamina.sha256 import sha256

UNSEALED = "0" * 64
"""What to put where the checksum goes before `seal`."""
FIELD = "checksum"
_SEAL = re.compile(rb'checksum":"([0-9a-f]{64})"')


class BrokenSeal(Invalid):
    """The bytes are not those that were sealed."""


def seal(raw: bytes) -> bytes:
    """`raw`, a JSON text with `checksum":"000…"` in it, with the checksum filled in."""
    match = _SEAL.search(raw)
    if match is None or match[1] != UNSEALED.encode():
        raise BrokenSeal("no place for a checksum")
    checksum = sha256(raw).hex().encode()
    return raw[: match.start(1)] + checksum + raw[match.end(1) :]


def check(raw: bytes) -> None:
    """Raise BrokenSeal unless `raw` is as `seal` made it."""
    match = _SEAL.search(raw)
    if match is None:
        raise BrokenSeal("it carries no checksum")
    bare = raw[: match.start(1)] + UNSEALED.encode() + raw[match.end(1) :]
    if sha256(bare).hex().encode() != match[1]:
        raise BrokenSeal("its checksum does not match")


def seal_struct(value: msgspec.Struct) -> bytes:
    """The JSON of a struct, sealed."""
    document: dict[str, Any] = msgspec.json.decode(encode(value))
    return seal(encode({FIELD: UNSEALED, **document}))
