"""The sha256 of a file's content: as its listing has it, or read where that has none."""

from __future__ import annotations

from lamina.explain.stack import Stack
from lamina.layer.entry import Entry

_PIECE = 1 << 20


def content_sha256(stack: Stack, layer: int, entry: Entry) -> bytes:
    """Of a FILE entry of that layer; only a container's own layer has to be read.

    Raises LayerDamaged and OSError where that cannot be.
    """
    if entry.sha256:
        return entry.sha256
    from hashlib import sha256

    digest = sha256()
    with stack.open(layer, entry) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.digest()
