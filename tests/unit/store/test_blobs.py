"""Blobs on disk, and their fake."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lamina.oci.digest import Digest
from lamina.store.atomic import held_file
from lamina.store.blobs import DirBlobs
from lamina.store.errors import DigestMismatch
from tests.contract.blob_store import DATA, BlobStoreContract
from tests.fakes.stores import MemoryBlobs


class TestMemoryBlobs(BlobStoreContract):
    @pytest.fixture
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()


class TestDirBlobs(BlobStoreContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> DirBlobs:
        return DirBlobs(tmp_path)

    @pytest.mark.parametrize("damage", [b"Some bytes", b"", DATA + b"x", DATA[:-1]])
    def test_damage_is_never_read(self, blobs: DirBlobs, tmp_path: Path, damage: bytes) -> None:
        digest = blobs.put_bytes(DATA)
        (tmp_path / digest.hex).write_bytes(damage)
        with pytest.raises(DigestMismatch):
            blobs.read(digest)
        with blobs.open(digest) as reader, pytest.raises(DigestMismatch):
            while reader.read(1000):
                pass

    def test_a_damaged_blob_is_mended_by_putting_it_again(
        self, blobs: DirBlobs, tmp_path: Path
    ) -> None:
        digest = Digest.of(DATA)
        blobs.put_bytes(DATA)
        for whole in (True, False):
            (tmp_path / digest.hex).write_bytes(b"damaged")
            assert (blobs.put_bytes(DATA) if whole else blobs.put(io.BytesIO(DATA))) == digest
            assert blobs.read(digest) == DATA

    def test_nothing_is_left_of_what_failed(self, blobs: DirBlobs, tmp_path: Path) -> None:
        with pytest.raises(DigestMismatch):
            blobs.put(io.BytesIO(DATA), expected=Digest.of(b""))
        assert list(tmp_path.iterdir()) == []

    def test_sweep_takes_a_dead_writers_file_and_no_living_one(
        self, blobs: DirBlobs, tmp_path: Path
    ) -> None:
        (tmp_path / ".tmp-dead").write_bytes(b"x" * 5000)
        living, fd = held_file(tmp_path, ".tmp-")
        with open(fd):
            assert blobs.sweep() >= 5000
            assert list(tmp_path.iterdir()) == [living]
