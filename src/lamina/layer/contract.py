"""What a layer is to everything above it: a listing, and a tar that comes back byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from lamina.layer.entry import Entry
from lamina.oci.digest import Digest

Form = Literal["tree", "image"]


class Listing(msgspec.Struct, frozen=True):
    """Every entry of one layer, in the order of its tar stream.

    Where a tar names a path twice, both entries are here and the later one
    counts, as in every tar reader; `union` and `waste` follow that rule.
    """

    diff_id: Digest
    entries: Sequence[Entry]
    tar_size: int
    """Bytes of the whole tar stream, headers and padding included."""

    @property
    def content_size(self) -> int:
        """Bytes of file content: what Docker calls the size of a layer."""
        return sum(entry.size for entry in self.entries)


class LayerInfo(msgspec.Struct, frozen=True):
    """What is known of a stored layer without reading its listing."""

    diff_id: Digest
    form: Form
    content_size: int
    """Bytes of file content."""
    tar_size: int
    """Bytes of the tar stream."""
    entry_count: int
