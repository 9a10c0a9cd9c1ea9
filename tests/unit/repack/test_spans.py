"""Which layers are made anew."""

from __future__ import annotations

from hypothesis import given

from lamina.explain.waste import account
from lamina.layer.contract import Listing
from lamina.layer.union import Union
from lamina.repack.plan import Span, plan
from lamina.repack.spans import joined, lossless, squashed
from tests.unit.layer.stacks import listing, stacks

LAYERS = [
    listing("f base 9"),
    listing("f a 1"),
    listing("f b 2"),
    listing("w a"),
    listing("f c 3"),
    listing("f d 4", "w base"),
    listing("w d"),
]


def test_only_layers_with_hidden_bytes() -> None:
    assert lossless(account(LAYERS)) == [Span(0, 0), Span(1, 1), Span(5, 5)]
    assert lossless(account(LAYERS), kept={0}) == [Span(1, 1), Span(5, 5)]


def test_from_a_layer_on_and_below_it_as_ever() -> None:
    assert squashed(account(LAYERS), 5) == [Span(0, 0), Span(1, 1), Span(5, 6)]
    assert squashed(account(LAYERS), 0) == [Span(0, 6)]


def test_joined_where_one_hides_bytes_of_another() -> None:
    assert joined(account(LAYERS), 1) == [Span(1, 3), Span(5, 6)]


def test_joined_spans_that_meet_are_one() -> None:
    layers = [listing("f a 1"), listing("f b 1", "w a"), listing("w b"), listing("f c 1")]
    assert joined(account(layers), 0) == [Span(0, 2)]


def test_what_a_layer_supersedes_itself_is_taken_out_alone() -> None:
    assert joined(account([listing("f a 1", "f a 2"), listing("f b 1")]), 0) == [Span(0, 0)]


@given(stacks)
def test_joined_layers_have_no_hidden_byte_of_their_own(listings: list[Listing]) -> None:
    made = plan(listings, Union.of(listings), joined(account(listings), 0))
    assert not [
        each for each in Union.of([layer.listing for layer in made.layers]).hidden if each.size
    ]
