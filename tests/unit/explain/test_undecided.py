"""Which contents must be compared before an image can be explained."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from lamina.explain.advice import SMALLEST_DUPLICATE, advise
from lamina.explain.undecided import undecided
from lamina.explain.waste import account
from lamina.layer.contract import Listing
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing, stacks


def without_hashes(layers: list[Listing], keep: list[set[int]]) -> list[Listing]:
    """The same layers, only empty files and what `keep` names hashed."""
    return [
        msgspec.structs.replace(
            layer,
            entries=tuple(
                entry
                if at in places or not entry.size
                else msgspec.structs.replace(entry, sha256=b"")
                for at, entry in enumerate(layer.entries)
            ),
        )
        for layer, places in zip(layers, keep, strict=True)
    ]


@settings(max_examples=300, deadline=None)
@given(stacks)
def test_what_is_left_out_decides_nothing(layers: list[Listing]) -> None:
    bare = without_hashes(layers, [set() for _ in layers])
    sparse = without_hashes(layers, undecided(bare))
    told = [(h.path, h.layer, h.hidden_by, h.cause) for h in account(sparse).hidden]
    assert told == [(h.path, h.layer, h.hidden_by, h.cause) for h in account(layers).hidden]
    assert advise(stack_of(sparse)) == advise(stack_of(layers))


def test_a_size_that_is_there_once_needs_no_comparison() -> None:
    assert undecided([listing("f a 1", "f b 2"), listing("f a 3")]) == [set(), set()]


def test_equal_sizes_in_two_layers_do() -> None:
    assert undecided([listing("f a 7", "f b 2"), listing("f c 7")]) == [{0}, {0}]


def test_equal_sizes_in_one_layer_do_where_copies_are_told() -> None:
    large = SMALLEST_DUPLICATE
    assert undecided([listing("f a 7", "f b 7")]) == [set()]
    assert undecided([listing(f"f a {large}", f"f b {large}")]) == [{0, 1}]
