"""copy: an image from a source to a sink, byte for byte, without a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Event

import msgspec

from lamina.layer.pipeline import Tally, reading, tallied
from lamina.oci import mediatype
from lamina.oci.attestation import subject_of
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.registry.contract import Sink, Source
from lamina.store.errors import DigestMismatch, SizeMismatch
from lamina.transfer.attached import attached_there
from lamina.transfer.parallel import Stopped, run_all
from lamina.transfer.progress import Progress

_NESTING = 3
"""What is attached to what is attached; a signature of a list of packages is one level."""


def copy(
    source: Source,
    sink: Sink,
    *,
    tag: str,
    platform: Platform | None,
    progress: Progress,
    what: str,
    origin: str = "",
    at_once: int = 3,
) -> Descriptor:
    """Copy what `source` stands for to `sink`, under `tag` if given; returns its descriptor.

    Of an index the best image for `platform` is copied; without a platform
    the whole index and everything in it, attestations included.  What is
    attached to any of it goes along.  Every digest stays what it is.  Blobs
    that the sink has are skipped; `origin`, a repository of the sink's
    registry, is offered to take them over from.  `at_once` blobs are copied in
    parallel; with 1 they arrive in their order.

    Raises DigestMismatch and SizeMismatch for bytes that are not what they
    are announced as, NoSuchPlatform, and what source and sink raise.
    """
    top = source.resolve()
    while platform is not None and top.media_type in mediatype.INDEXES:
        index = Index.parse(source.document(top), media_type=top.media_type, what=what)
        top = index.select(platform, what=what)
    # A descriptor out of an index tells of the platform; the document stands for itself.
    top = Descriptor(top.media_type, top.digest, top.size)
    _Copy(source, sink, progress, what, origin, at_once).tree(top, tag)
    return top


class _Copy(msgspec.Struct, frozen=True):
    """What is being copied, and how."""

    source: Source
    sink: Sink
    progress: Progress
    what: str
    origin: str
    at_once: int

    def tree(self, descriptor: Descriptor, tag: str) -> None:
        """A document, after everything that it names; then what is attached to it."""
        raw = self.source.document(descriptor)
        if descriptor.media_type in mediatype.INDEXES:
            index = Index.parse(raw, media_type=descriptor.media_type, what=self.what)
            for child in index.manifests:
                self.tree(child, "")
        else:
            self.blobs(Manifest.parse(raw, media_type=descriptor.media_type, what=self.what))
        self.sink.put_document(descriptor, raw, tag=tag)
        if self.sink.attaches and subject_of(descriptor) is None:
            self.attached(descriptor.digest, _NESTING)

    def attached(self, subject: Digest, depth: int) -> None:
        """What is attached to a manifest, and to that in turn."""
        for each in attached_there(self.source, subject):
            self.blobs(each.manifest)
            self.sink.put_referrer(each.descriptor, each.manifest.raw, subject)
            if depth > 1:
                self.attached(each.digest, depth - 1)

    def blobs(self, manifest: Manifest) -> None:
        """What a manifest names."""
        blobs: dict[Digest, Descriptor] = {
            each.digest: each
            for each in (manifest.config, *manifest.layers)
            if not mediatype.is_foreign(each.media_type)
        }

        def copying(blob: Descriptor) -> Callable[[Event], None]:
            return lambda stop: copy_blob(
                self.source, self.sink, blob, self.progress, stop, self.origin
            )

        run_all(map(copying, blobs.values()), width=self.at_once)


def copy_blob(
    source: Source, sink: Sink, blob: Descriptor, progress: Progress, stop: Event, origin: str
) -> None:
    """One blob, unless the sink has it or takes it over from `origin`; see `copy`."""
    item = blob.digest.short
    if sink.has_blob(blob):
        progress.finish(item, "Already exists")
        return
    if origin and sink.mount_blob(blob, origin):
        progress.finish(item, f"Mounted from {origin}")
        return

    def open_chunks() -> Iterator[bytes]:
        progress.start(item, "Copying", blob.size)
        with source.blob(blob) as body:
            yield from _checked(body, blob, progress, stop)

    sink.put_blob(blob, open_chunks)
    progress.finish(item, "Copied")


def _checked(
    chunks: Iterable[bytes], blob: Descriptor, progress: Progress, stop: Event
) -> Iterator[bytes]:
    """The same pieces; raises before the last if they are not the blob announced."""
    tally = Tally()
    with reading(tallied(chunks, tally)) as pieces:
        held = b""
        for piece in pieces:
            if stop.is_set():
                raise Stopped
            if held:
                yield held
            held = piece
            progress.advance(blob.digest.short, len(piece))
    if tally.size != blob.size:
        raise SizeMismatch(blob.digest, blob.size, tally.size)
    if tally.digest != blob.digest:
        raise DigestMismatch(blob.digest, tally.digest)
    if held:
        yield held
