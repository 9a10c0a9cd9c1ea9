"""Where images come from and go to: a source gives documents and blobs, a sink takes them.

A registry's repository is both.  So are an OCI layout and an archive, which
live in `transfer/`; every verb that moves an image is written against these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from lamina.oci.descriptor import Descriptor


class Source(Protocol):
    """Gives one image's documents and blobs."""

    def resolve(self) -> Descriptor:
        """What the source's own reference stands for now: a manifest or an index.

        Raises NotFound.
        """
        ...

    def document(self, descriptor: Descriptor) -> bytes:
        """A manifest, index or config, verified against `descriptor` (digest and size).

        At most 4 MiB, as registries agree (distribution-spec, "Pushing Manifests"):
        raises TooLarge beyond, before reading it.
        """
        ...

    def blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a blob from `offset` on, in pieces, as they come.

        Held to the descriptor's size; the digest is the caller's to check: the
        one who writes the bytes down hashes the whole.  A connection that
        breaks is taken up again by range, with back-off, before Unavailable is
        raised.
        """
        ...


class Sink(Protocol):
    """Takes blobs, then documents; the name comes with the last document."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the sink has the blob already."""
        ...

    def mount_blob(self, descriptor: Descriptor, origin: str) -> bool:
        """Take the blob over from another repository of the same registry, `origin`.

        False when the sink cannot or will not: then send it.
        """
        ...

    def put_blob(self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]]) -> None:
        """Send a blob whose digest and size are known.

        `open_chunks` gives the bytes from the start, again for each retry.
        """
        ...

    def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        """Send a blob whose digest is known only at its end; returns its descriptor."""
        ...

    def put_document(self, descriptor: Descriptor, raw: bytes, *, tag: str = "") -> None:
        """Store a manifest or index under its digest, and under `tag` if given.

        A config is a blob (`put_blob`).
        """
        ...
