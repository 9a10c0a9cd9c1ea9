"""A source and sink in memory, with faults, and a progress that is collected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lamina.errors import Corrupt, Invalid, NotFound, Unavailable
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest

PIECE = 10_000
DOCUMENT_LIMIT = 4 << 20


class WrongBytes(Corrupt):
    """Bytes that are not what their descriptor says."""


class Missing(NotFound):
    """Nothing of that digest or tag."""


@dataclass
class MemoryPlace:
    """One repository: implements `Source` and `Sink`."""

    tag: str = "v1"
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    tags: dict[str, Descriptor] = field(default_factory=dict)
    neighbours: dict[str, set[Digest]] = field(default_factory=dict)
    """Blobs that can be mounted, by repository."""
    attached: dict[Digest, list[Descriptor]] = field(default_factory=dict)
    """By the digest of the subject."""
    calls: list[tuple[str, Digest | None]] = field(default_factory=list)
    break_at: int | None = None
    """Bytes of a blob after which reading it fails."""
    wait_for: threading.Event | None = None
    """Blobs are read only when this is set."""

    def resolve(self) -> Descriptor:
        if self.tag not in self.tags:
            raise Missing(f"no tag {self.tag}")
        return self.tags[self.tag]

    def document(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > DOCUMENT_LIMIT:
            raise Invalid("larger than a document may be")
        raw = self._get(descriptor)
        _check(descriptor, raw)
        return raw

    @contextmanager
    def blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[Iterator[bytes]]:
        self.calls.append(("blob", descriptor.digest))
        yield self._pieces(self._get(descriptor)[offset:])

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), PIECE):
            if self.break_at is not None and start >= self.break_at:
                raise Unavailable("the connection is gone")
            if self.wait_for is not None:
                self.wait_for.wait()
            yield data[start : start + PIECE]

    def _get(self, descriptor: Descriptor) -> bytes:
        if descriptor.digest not in self.blobs:
            raise Missing(f"no blob {descriptor.digest}")
        return self.blobs[descriptor.digest]

    def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.blobs

    def mount_blob(self, descriptor: Descriptor, origin: str) -> bool:
        self.calls.append((f"mount {origin}", descriptor.digest))
        if descriptor.digest not in self.neighbours.get(origin, set()):
            return False
        self.blobs[descriptor.digest] = b"mounted"
        return True

    def put_blob(self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]]) -> None:
        data = b"".join(open_chunks())
        _check(descriptor, data)
        self.calls.append(("put", descriptor.digest))
        self.blobs[descriptor.digest] = data

    def put_stream(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        data = b"".join(chunks)
        digest = Digest.of(data)
        self.calls.append(("put", digest))
        self.blobs[digest] = data
        return Descriptor(media_type, digest, len(data))

    def put_document(self, descriptor: Descriptor, raw: bytes, *, tag: str = "") -> None:
        _check(descriptor, raw)
        self.calls.append(("document", descriptor.digest))
        self.blobs[descriptor.digest] = raw
        if tag:
            self.tags[tag] = descriptor

    @property
    def attaches(self) -> bool:
        return True

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        return self.attached.get(subject, [])

    def put_referrer(self, descriptor: Descriptor, raw: bytes, subject: Digest) -> None:
        self.put_document(descriptor, raw)
        known = self.attached.setdefault(subject, [])
        if descriptor not in known:
            known.append(descriptor)

    def did(self, what: str) -> list[Digest | None]:
        """What the calls of one kind were about."""
        return [digest for name, digest in self.calls if name == what]


def _check(descriptor: Descriptor, data: bytes) -> None:
    if len(data) != descriptor.size or Digest.of(data) != descriptor.digest:
        raise WrongBytes(f"not the bytes of {descriptor.digest}")


@dataclass
class Collected:
    """Implements `Progress`: everything it was told."""

    started: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    finished: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def start(self, item: str, what: str, total: int | None) -> None:
        self.started[item] = (what, total)

    def advance(self, item: str, amount: int) -> None:
        self.done[item] = self.done.get(item, 0) + amount

    def finish(self, item: str, what: str) -> None:
        self.finished.append((item, what))

    def note(self, line: str) -> None:
        self.notes.append(line)
