"""What is planned shows the same tree, and hides nothing that is made anew."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lamina.layer.contract import Listing
from lamina.layer.union import Union
from lamina.repack.plan import Kept, Plan, Span, plan
from lamina.repack.tree import Record, digest, records
from tests.unit.layer.stacks import stacks


def tree(listings: Sequence[Listing]) -> dict[str, Record]:
    return records(listings, Union.of(listings))


def repacked(listings: Sequence[Listing], *spans: Span) -> Plan:
    return plan(listings, Union.of(listings), spans)


def names(made: Plan, layer: int) -> list[str]:
    return [entry.path for entry in made.layers[layer].listing.entries]


SPANS = st.lists(st.booleans(), min_size=5, max_size=5)


@st.composite
def spans_of(draw: st.DrawFn, count: int) -> list[Span]:
    """Spans of some of `count` layers."""
    found = []
    layer = 0
    while layer < count:
        last = draw(st.integers(layer, count - 1))
        if draw(st.booleans()):
            found.append(Span(layer, last))
        layer = last + 1
    return found


@given(st.data())
def test_the_tree_stays_the_same(data: st.DataObject) -> None:
    listings = data.draw(stacks)
    spans = data.draw(spans_of(len(listings)))
    made = repacked(listings, *spans)
    after = [layer.listing for layer in made.layers]
    assert tree(after) == tree(listings)
    assert digest(tree(after)) == digest(tree(listings))


@given(st.data())
def test_nothing_that_is_made_is_hidden(data: st.DataObject) -> None:
    listings = data.draw(stacks)
    made = repacked(listings, *data.draw(spans_of(len(listings))))
    after = [layer.listing for layer in made.layers]
    kept = {place for place, layer in enumerate(made.layers) if isinstance(layer, Kept)}
    assert not [each for each in Union.of(after).hidden if each.layer not in kept and each.size]


@given(st.data())
def test_what_is_saved_is_what_was_hidden(data: st.DataObject) -> None:
    listings = data.draw(stacks)
    spans = data.draw(spans_of(len(listings)))
    within = {layer for span in spans for layer in range(span.first, span.last + 1)}
    hidden = [each for each in Union.of(listings).hidden if each.layer in within]
    assert repacked(listings, *spans).saved == sum(each.size for each in hidden)


@given(stacks)
def test_all_layers_as_one_need_no_marker(listings: list[Listing]) -> None:
    if not listings:
        return
    made = repacked(listings, Span(0, len(listings) - 1))
    assert not [entry for each in made.layers for entry in each.listing.entries if entry.is_marker]
