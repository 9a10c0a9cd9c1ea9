"""The stores in memory; they pass the same contract suites as the real ones."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Container, Iterator, Sequence
from typing import BinaryIO

import msgspec

from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.contract import Attached, NamedImage, StepResult
from lamina.store.errors import BlobNotFound, DigestMismatch, ImageNotFound, SizeMismatch
from lamina.store.refs import find_row, with_row


class MemoryBlobs:
    """A `BlobStore` in a dictionary."""

    def __init__(self) -> None:
        self.content: dict[Digest, bytes] = {}

    def put(
        self, stream: BinaryIO, *, expected: Digest | None = None, size: int | None = None
    ) -> Digest:
        data = b""
        while piece := stream.read(1 << 20):
            data += piece
        if size is not None and size != len(data):
            raise SizeMismatch(expected, size, len(data))
        digest = Digest.of(data)
        if expected is not None and expected != digest:
            raise DigestMismatch(expected, digest)
        self.content[digest] = data
        return digest

    def put_bytes(self, data: bytes) -> Digest:
        return self.put(io.BytesIO(data))

    def read(self, digest: Digest) -> bytes:
        if digest not in self.content:
            raise BlobNotFound(digest)
        return self.content[digest]

    def open(self, digest: Digest) -> BinaryIO:
        return io.BytesIO(self.read(digest))

    def size(self, digest: Digest) -> int:
        return len(self.read(digest))

    def has(self, digest: Digest) -> bool:
        return digest in self.content

    def delete(self, digest: Digest) -> int:
        return len(self.content.pop(digest, b""))

    def sweep(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Digest]:
        return iter(list(self.content))


class MemoryRefs:
    """A `RefStore` in a list."""

    def __init__(self) -> None:
        self._rows: list[NamedImage] = []
        self._attached: list[Attached] = []

    def get(self, reference: Reference) -> NamedImage | None:
        return find_row(self._rows, reference)

    def set(self, image: NamedImage) -> None:
        if image.reference is not None and image.reference.digest is not None:
            image = msgspec.structs.replace(
                image, reference=image.reference.with_digest(image.reference.digest)
            )
        self._rows = with_row(self._rows, image)

    def remove(self, reference: Reference) -> NamedImage:
        row = self.get(reference)
        if row is None:
            raise ImageNotFound(reference.familiar)
        self._rows.remove(row)
        return row

    def remove_image(self, image_id: Digest) -> list[NamedImage]:
        gone = [row for row in self._rows if row.image_id == image_id]
        self._rows = [row for row in self._rows if row.image_id != image_id]
        return gone

    def rows(self) -> Sequence[NamedImage]:
        return tuple(self._rows)

    def attach(self, attached: Attached) -> None:
        if attached not in self._attached:
            self._attached.append(attached)

    def detach(self, artifacts: Container[Digest]) -> None:
        kept = [each for each in self._attached if each.descriptor.digest not in artifacts]
        self._attached = kept

    def attached(self) -> Sequence[Attached]:
        return tuple(self._attached)

    def disk_usage(self, *, without: Container[Digest] = ()) -> int:
        ids = [row.image_id for row in self._rows]
        ids += [each.descriptor.digest for each in self._attached]
        return 512 * sum(each not in without for each in ids)

    def sweep(self) -> int:
        return 0


class MemorySteps:
    """A `StepStore` in a dictionary; `has_layer` says which layers are stored."""

    def __init__(self, has_layer: Callable[[Digest], bool]) -> None:
        self._has_layer = has_layer
        self._results: dict[Digest, StepResult] = {}
        self._times: dict[Digest, float] = {}

    def get(self, key: Digest) -> StepResult | None:
        result = self._results.get(key)
        if result is None or not all(map(self._has_layer, result.layers)):
            return None
        return result

    def put(self, result: StepResult) -> None:
        self._results[result.key] = result
        self.touch(result.key)

    def touch(self, key: Digest) -> None:
        if key in self._results:
            self._times[key] = time.time()

    def used(self, key: Digest) -> float:
        return self._times.get(key, 0.0)

    def remove(self, key: Digest) -> int:
        self._times.pop(key, None)
        return 512 if self._results.pop(key, None) is not None else 0

    def sweep(self) -> int:
        return 0

    def __iter__(self) -> Iterator[StepResult]:
        return iter(list(self._results.values()))
