"""What every `BlobStore` keeps of its contract."""

from __future__ import annotations

import io

import pytest

from lamina.oci.digest import Digest
from lamina.store.contract import BlobStore
from lamina.store.errors import BlobNotFound, DigestMismatch, SizeMismatch

DATA = b"some bytes" * 1000
NOWHERE = Digest.of(b"never stored")


class BlobStoreContract:
    """Inherit, and give a fixture `blobs`: an empty store."""

    def test_what_was_put_is_there_under_its_digest(self, blobs: BlobStore) -> None:
        digest = blobs.put(io.BytesIO(DATA))
        assert digest == Digest.of(DATA)
        assert blobs.read(digest) == DATA
        assert blobs.size(digest) == len(DATA)
        assert blobs.has(digest)
        assert list(blobs) == [digest]

    def test_put_twice_is_put_once(self, blobs: BlobStore) -> None:
        assert blobs.put(io.BytesIO(DATA)) == blobs.put_bytes(DATA) == blobs.put(io.BytesIO(DATA))
        assert list(blobs) == [Digest.of(DATA)]

    def test_the_empty_blob(self, blobs: BlobStore) -> None:
        digest = blobs.put_bytes(b"")
        assert blobs.read(digest) == b""
        assert blobs.open(digest).read() == b""
        assert blobs.size(digest) == 0

    def test_what_was_announced_is_checked(self, blobs: BlobStore) -> None:
        digest = Digest.of(DATA)
        assert blobs.put(io.BytesIO(DATA), expected=digest, size=len(DATA)) == digest

    @pytest.mark.parametrize("size", [None, len(DATA)])
    def test_another_digest_stores_nothing(self, blobs: BlobStore, size: int | None) -> None:
        with pytest.raises(DigestMismatch) as caught:
            blobs.put(io.BytesIO(DATA), expected=NOWHERE, size=size)
        assert str(NOWHERE) in str(caught.value)
        assert list(blobs) == []

    @pytest.mark.parametrize("size", [0, len(DATA) - 1, len(DATA) + 1])
    def test_another_size_stores_nothing(self, blobs: BlobStore, size: int) -> None:
        with pytest.raises(SizeMismatch):
            blobs.put(io.BytesIO(DATA), expected=Digest.of(DATA), size=size)
        assert list(blobs) == []

    def test_a_stream_that_fails_stores_nothing(self, blobs: BlobStore) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell():
                    raise ConnectionResetError("gone")
                return super().read(10)

        with pytest.raises(ConnectionResetError):
            blobs.put(Broken(DATA))
        assert list(blobs) == []

    def test_the_stream_is_read_to_its_end_and_left_open(self, blobs: BlobStore) -> None:
        stream = io.BytesIO(DATA)
        blobs.put(stream)
        assert not stream.closed
        assert stream.read() == b""

    def test_what_is_not_there_is_not_found(self, blobs: BlobStore) -> None:
        for ask in (blobs.read, blobs.open, blobs.size):
            with pytest.raises(BlobNotFound) as caught:
                ask(NOWHERE)
            assert str(NOWHERE) in str(caught.value)
        assert not blobs.has(NOWHERE)

    def test_open_reads_in_pieces(self, blobs: BlobStore) -> None:
        digest = blobs.put_bytes(DATA)
        with blobs.open(digest) as reader:
            assert reader.read(5) == DATA[:5]
            assert reader.read() == DATA[5:]
            assert reader.read(1) == b""

    def test_delete_forgets_and_says_what_it_freed(self, blobs: BlobStore) -> None:
        digest = blobs.put_bytes(DATA)
        assert blobs.delete(digest) >= len(DATA)
        assert not blobs.has(digest)
        assert blobs.delete(digest) == 0

    def test_sweep_takes_nothing_that_is_stored(self, blobs: BlobStore) -> None:
        digest = blobs.put_bytes(DATA)
        assert blobs.sweep() == 0
        assert blobs.read(digest) == DATA
