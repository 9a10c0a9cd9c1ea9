"""dive's arithmetic.  tests/system/test_dive.py holds it against the real dive."""

from __future__ import annotations

import math

import pytest

from lamina.explain.score import Repeated, Score, score
from tests.unit.layer.stacks import listing

MEBI = 1 << 20


def figures(found: Score) -> tuple[float, int, int, int]:
    return found.efficiency, found.wasted_bytes, found.size_bytes, found.user_size_bytes


def test_dives_own_example() -> None:
    # dive/filetree/efficiency_test.go: 0.75, and nginx.conf at 7000 bytes.
    found = score(
        [
            listing("f etc/nginx/nginx.conf 2000", "f etc/nginx/public 3000"),
            listing("f etc/nginx/nginx.conf 5000", "f etc/athing 10000"),
        ]
    )
    assert found.efficiency == 0.75
    assert found.repeated == [Repeated("etc/nginx/nginx.conf", 2, 7000, (0, 1))]


def test_an_overwritten_file_counts_with_the_copy_that_is_seen() -> None:
    found = score([listing("f x 5"), listing("f x 5")])
    assert figures(found) == (0.5, 10, 10, 5)
    assert found.wasted_user_percent == 2.0


def test_a_deleted_directory_is_seen_only_where_it_is_a_leaf() -> None:
    # What was in it is one path, the whiteout another: neither is there twice.
    assert figures(score([listing("d d", "f d/x 5"), listing("w d")])) == (1.0, 0, 5, 0)
    # It counts in full when the directory was empty in a third layer.
    layers = [listing("d d"), listing("d d", "f d/x 5"), listing("w d")]
    assert figures(score(layers)) == (0.5, 5, 5, 5)


def test_a_directory_that_no_entry_makes_is_none_to_dive() -> None:
    assert score([listing("f d/x 5"), listing("f e 1"), listing("w d")]).wasted_bytes == 0


def test_a_whiteout_of_nothing_ends_the_look_at_its_layer() -> None:
    found = score([listing("f a 100"), listing("w Nothing", "f a 100")])
    assert (found.wasted_bytes, found.repeated) == (0, [])
    assert found.efficiency == (100 - 1) / 100  # the path that was begun counts -1


def test_an_opaque_directory_is_not_seen() -> None:
    layers = [listing("d d", "f d/x 5"), listing("d d", "o d", "f d/y 1")]
    assert score(layers).efficiency == 1.0


def test_nothing_over_nothing() -> None:
    assert figures(score([])) == (1.0, 0, 0, 0)
    assert math.isnan(score([listing("f a 5")]).wasted_user_percent)
    layers = [listing("d d"), listing("d d", "f d/x 5"), listing("w d")]
    assert math.isinf(score([layers[1], layers[0], layers[2]]).wasted_user_percent)


@pytest.mark.parametrize("names", [2500])
def test_a_deep_path(names: int) -> None:
    deep = "/".join(["d"] * names)
    assert score([listing(f"f {deep} 7"), listing(f"f {deep} 7")]).wasted_bytes == 14
