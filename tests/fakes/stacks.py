"""Stacks of layers in memory: listings alone, or files whose content can be read."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import BinaryIO

from lamina.explain.cause import Base, Origin
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest

Files = Mapping[str, bytes | None]
"""Path → content; None is a directory.  `.wh.` names are markers."""


class FakeContents:
    """Implements `Contents` (explain/stack.py); files are told from each other by their bytes."""

    def __init__(self, listings: Sequence[Listing], contents: Mapping[int, bytes]) -> None:
        self._listings = listings
        self._contents = contents
        """By id() of an entry; a FILE that is not here reads as zeros."""

    def listing(self, layer: int) -> Listing:
        return self._listings[layer]

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        return io.BytesIO(self._contents.get(id(entry), bytes(entry.size)))


def numbered(instructions: Sequence[str]) -> list[Origin]:
    """An origin for each instruction, numbered from 1."""
    return [
        Origin(str(number), text, f"{text} # buildkit", "2026-01-01T00:00:00Z")
        for number, text in enumerate(instructions, 1)
    ]


def stack_of(
    listings: Sequence[Listing],
    origins: Sequence[Origin] | None = None,
    *,
    name: str = "demo:latest",
    identity: str = "sha256:abc",
    base: Base | None = None,
    config: ImageConfig | None = None,
    contents: Mapping[int, bytes] | None = None,
) -> Stack:
    """A stack of listings, the lowest first."""
    if origins is None:
        origins = numbered([f"RUN step {number}" for number in range(1, len(listings) + 1)])
    reader = FakeContents(listings, contents or {})
    return Stack(name, identity, origins, reader, base=base, config=config)


def stack_of_files(
    layers: Sequence[Files],
    instructions: Sequence[str] | None = None,
    *,
    name: str = "demo:latest",
    config: ImageConfig | None = None,
) -> Stack:
    """A stack of files with content, the lowest layer first; all belong to root, files are
    0644 and directories 0755."""
    contents: dict[int, bytes] = {}
    listings = []
    for layer in layers:
        entries = []
        for offset, (path, content) in enumerate(layer.items()):
            kind, mode = (Kind.DIRECTORY, 0o755) if content is None else (Kind.FILE, 0o644)
            entry = Entry(
                path,
                kind,
                mode,
                0,
                0,
                len(content or b""),
                0,
                sha256=b"" if content is None else sha256(content).digest(),
                offset=offset * 512,
            )
            contents[id(entry)] = content or b""
            entries.append(entry)
        name_of_layer = repr(list(layer.items())).encode()
        listings.append(Listing(Digest.of(name_of_layer), tuple(entries), 1024))
    origins = numbered(instructions) if instructions is not None else None
    return stack_of(listings, origins, name=name, config=config, contents=contents)
