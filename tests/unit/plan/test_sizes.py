"""Amounts of memory."""

from __future__ import annotations

import pytest

from lamina.plan.sizes import BadSize, size_in_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64MB", 64 << 20),
        ("64MiB", 64 << 20),
        ("1.5g", 3 << 29),
        ("512 k", 512 << 10),
        ("12b", 12),
        ("1t", 1 << 40),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert size_in_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1mm", "99999999p", "1,5g"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadSize):
        size_in_bytes(text)
