"""Where images come from and go to: a source gives documents and blobs, a sink takes them.

A registry's repository is both.  So are an OCI layout and an archive, which
live in `transfer/`; every verb that moves an image is written against these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest


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

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """What is attached to the manifest `subject` here, with the type of each as the place
        tells it; empty also where a place cannot say.

        What is listed need not be there any more.  Raises what asking raises.
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

    @property
    def attaches(self) -> bool:
        """Whether something can be attached to images here: not in an archive of Docker's."""
        ...

    def put_referrer(self, descriptor: Descriptor, raw: bytes, subject: Digest) -> None:
        """Store the manifest of an artifact, so that it is among the referrers of `subject`.

        Its blobs are there, and so is the subject.  Putting it twice is putting it once, and
        what others attached stays.
        """
        ...
