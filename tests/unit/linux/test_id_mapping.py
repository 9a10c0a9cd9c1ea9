"""Subordinate ids and maps of user namespaces."""

from __future__ import annotations

from lamina.linux.id_mapping import (
    Extent,
    arguments,
    has,
    outside,
    parse_map,
    reverse,
    same,
    size,
    subordinate,
    text,
    user_map,
)

SUBUID = """# comment
alice:100000:65536
bob:165536:65536
1000:300000:10

alice:500000:5
alice:nonsense:5
alice:700000:0
alice:1
"""


def test_a_users_ranges_by_name_and_by_number() -> None:
    assert subordinate(SUBUID, ["1000", "alice"]) == [(100000, 65536), (300000, 10), (500000, 5)]
    assert subordinate(SUBUID, ["carol"]) == []


def test_root_is_the_user_and_others_follow() -> None:
    found = user_map(1000, [(100000, 65536), (300000, 10)])
    assert found == (Extent(0, 1000, 1), Extent(1, 100000, 65536), Extent(65537, 300000, 10))
    assert size(found) == 65547


def test_a_user_without_ranges_is_alone() -> None:
    assert user_map(1000, []) == (Extent(0, 1000, 1),)


def test_a_map_goes_to_newuidmap_and_comes_back_from_the_kernel() -> None:
    extents = user_map(1000, [(100000, 65536)])
    assert arguments(extents) == ["0", "1000", "1", "1", "100000", "65536"]
    shown = "         0       1000          1\n         1     100000      65536\n"
    assert parse_map(shown) == extents


def test_an_id_is_there_or_not() -> None:
    extents = user_map(1000, [(100000, 10)])
    assert [each for each in (0, 1, 10, 11, 65534) if has(extents, each)] == [0, 1, 10]


TWO = (Extent(0, 1000, 1), Extent(1, 100000, 10))


def test_whom_an_id_stands_for() -> None:
    assert [outside(TWO, number) for number in (0, 1, 10, 11)] == [1000, 100000, 100009, None]
    assert [outside(reverse(TWO), number) for number in (1000, 100009, 0)] == [0, 10, None]


def test_a_map_as_the_kernel_takes_it_and_gives_it() -> None:
    assert text(TWO) == "0 1000 1\n1 100000 10\n"
    assert parse_map(text(TWO)) == TWO


def test_inside_of_another_ids_can_stay_as_they_are() -> None:
    assert same(TWO) == (Extent(0, 0, 1), Extent(1, 1, 10))
