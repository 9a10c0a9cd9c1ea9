"""The tar of a layer as it goes to disk, past the page cache or through it."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from lamina.store import image_writing
from lamina.store.image_writing import write_layer
from tests.fakes.archives import archive, file

MB = 1 << 20
CONTENT = random.Random(1).randbytes(8 * MB)
TAR = archive(file("a", CONTENT), file("b", CONTENT[::-1]))


def written(place: Path, size: int) -> bytes:
    """The tar file made of `TAR` in pieces of `size` bytes."""
    layer = write_layer(place, [TAR[at : at + size] for at in range(0, len(TAR), size)])
    assert layer.stored.listing.diff_id.raw == hashlib.sha256(TAR).digest()
    return (place / "tar").read_bytes()


@pytest.mark.parametrize("size", [7_777, 300_000, 1 << 20])
@pytest.mark.parametrize("cached", [0, 3 * MB + 5])
def test_what_goes_past_the_cache_is_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, cached: int
) -> None:
    monkeypatch.setattr(image_writing, "_CACHED", cached)
    assert written(tmp_path, size) == TAR


def test_a_file_system_that_cannot_gets_it_through_the_cache(
    in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_writing, "_CACHED", 2 * MB)
    assert written(in_memory, 300_000) == TAR
