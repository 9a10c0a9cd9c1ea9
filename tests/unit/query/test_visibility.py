"""Visibility from columns says what `explain.fate` says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.explain.fate import CAUSES, NOBODY, fates
from lamina.layer.contract import Listing
from lamina.layer.listing import UNKNOWN, Columns, StoredListing, decode, decode_columns, encode
from lamina.layer.union import Cause, Union
from lamina.query.layer_paths import LayerPaths
from lamina.query.visibility import visibility
from tests.unit.layer.stacks import listing, stacks


def columns_of(layer: Listing) -> Columns:
    return decode_columns(encode(StoredListing(layer, {})))


def told(layers: Sequence[Listing], *, contents: bool = True) -> list[dict[int, tuple[int, int]]]:
    columns = [columns_of(layer) for layer in layers]
    paths = [LayerPaths(each, partial(lambda known: known, each)) for each in columns]
    return visibility(paths, contents=contents)


def expected(layers: Sequence[Listing]) -> list[dict[int, tuple[int, int]]]:
    stored = [decode(encode(StoredListing(layer, {}))).listing for layer in layers]
    return [
        {
            at: (by, code)
            for at, (by, code) in enumerate(zip(fate.hidden_by, fate.causes, strict=True))
            if by != NOBODY
        }
        for fate in fates(stored, Union.of(stored))
    ]


@settings(max_examples=1000, deadline=None)
@given(stacks)
def test_any_stack_is_told_as_the_union_tells_it(layers: list[Listing]) -> None:
    assert told(layers) == expected(layers)


@settings(max_examples=300, deadline=None)
@given(stacks, st.integers(1, 3))
def test_entries_that_touch_nothing_change_nothing(layers: list[Listing], number: int) -> None:
    """What is told without the union stays so beside what needs it."""
    alone = [listing(f"d own{number}", f"f own{number}/x{place} 5 x") for place in range(2)]
    stack = [alone[0], *layers, alone[1]]
    assert told(stack) == expected(stack)


STACKS = {
    "a link whose other name stays": (["f a 5 x", "h b = a"], ["w a"]),
    "a link of which no name stays": (["f a 5 x", "h b = a"], ["w a", "f b 1 y"]),
    "links in two layers": (["f a 5 x", "h b = a"], ["f c 5 x", "h b = c"], ["w c"]),
    "a link of a link": (["f a 5 x", "h b = a", "h c = b"], ["f c 5 x"]),
    "an opaque root": (["d a", "f a/b 3 x"], ["o .", "f b 1 x"]),
    "a file where a directory is only implied": (["f a/b 3 x"], ["f a 1 x"]),
    "a directory that only a marker implies": (["f a 3 x"], ["w a/b"]),
    "a directory under a directory": (["d a", "f a/b 3 x"], ["d a", "f a/c 3 x"], ["d a"]),
    "a whiteout of nothing": (["f a 3 x"], ["w b"]),
    "a name twice": (["f a 3 x", "f a 4 y"], ["f a 4 y"]),
    "deleted and made again, twice": (["f a 3 x"], ["w a"], ["f a 3 x"], ["w a", "f a 3 x"]),
    "deleted when it is gone already": (["f a 3 x"], ["w a"], ["w a"], ["f a 1 y"]),
}


@pytest.mark.parametrize("name", STACKS)
def test_stacks_that_are_easily_told_wrong(name: str) -> None:
    layers = [listing(*lines) for lines in STACKS[name]]
    assert told(layers) == expected(layers)


def test_the_kinds_of_what_merely_lies_upon_another() -> None:
    layers = [
        listing("d a", "f a/same 3 x", "f a/other 3 x", "l a/link -> y", "d a/empty"),
        listing("d a", "f a/same 3 x", "f a/other 3 y", "f a/link 3 y", "f a/empty 1 x"),
    ]
    lower, upper = told(layers)
    causes = {at: CAUSES[code] for at, (_, code) in lower.items()}
    assert causes == {
        0: Cause.MERGED,
        1: Cause.DUPLICATED,
        2: Cause.OVERWRITTEN,
        3: Cause.REPLACED,
        4: Cause.REPLACED,
    }
    assert upper == {}


def test_contents_are_asked_for_only_where_two_could_be_the_same() -> None:
    asked: list[str] = []

    def layer(name: str, *lines: str) -> LayerPaths:
        known = columns_of(listing(*lines))
        bare = msgspec.structs.replace(known, hashes=UNKNOWN * (len(known.hashes) // 32))

        def hashed() -> Columns:
            asked.append(name)
            return known

        return LayerPaths(bare, hashed)

    def stack() -> list[LayerPaths]:
        return [
            layer("lowest", "f a 3 x", "f c 5 x", "f d 5 x"),
            layer("middle", "f b 3 x", "w d"),
            layer("top", "f a 3 x", "f c 6 x"),
        ]

    assert visibility(stack(), contents=False)[0] == {
        0: (2, CAUSES.index(Cause.OVERWRITTEN)),
        1: (2, CAUSES.index(Cause.OVERWRITTEN)),
        2: (1, CAUSES.index(Cause.DELETED)),
    }
    assert asked == []
    assert visibility(stack(), contents=True)[0][0] == (2, CAUSES.index(Cause.DUPLICATED))
    assert asked == ["lowest", "top"]


def test_what_merely_meets_another_needs_no_union(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[int] = []
    of = Union.of

    def count(listings: Sequence[Listing]) -> Union:
        laid.append(sum(len(each.entries) for each in listings))
        return of(listings)

    layers = [
        listing("d a", *(f"f a/{number} 3 x" for number in range(300)), "f b 1 x", "f c/d 1 x"),
        listing("d a", *(f"f a/{number} 3 y" for number in range(100, 200)), "w b", "w c"),
    ]
    right = expected(layers)
    monkeypatch.setattr(Union, "of", count)
    assert told(layers) == right
    assert laid == [3], "what is in the deleted directory, and the markers"
