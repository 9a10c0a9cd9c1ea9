"""What is planned shows the same tree, and hides nothing that is made anew."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union
from lamina.repack.plan import Kept, Plan, Span, plan
from lamina.repack.tree import Record, digest, records
from tests.unit.layer.stacks import listing, stacks


def tree(listings: Sequence[Listing]) -> dict[str, Record]:
    return records(listings, Union.of(listings))


def repacked(listings: Sequence[Listing], *spans: Span) -> Plan:
    return plan(listings, Union.of(listings), spans)


def names(made: Plan, layer: int) -> list[str]:
    return [entry.path for entry in made.layers[layer].listing.entries]


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
    made = repacked(listings, *data.draw(spans_of(len(listings))))
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


def test_every_directory_comes_before_what_is_in_it() -> None:
    made = repacked([listing("f a-b/x 1", "d a", "d a-b", "f a/y 1")], Span(0, 0))
    assert names(made, 0) == ["a", "a/y", "a-b", "a-b/x"]


def test_a_layer_of_which_nothing_is_left_is_dropped() -> None:
    made = repacked([listing("f a 1"), listing("f b 5"), listing("w b")], Span(1, 1))
    assert [layer.span for layer in made.dropped] == [Span(1, 1)]
    assert len(made.layers) == 2
    assert made.saved == 5


def test_a_name_whose_file_was_deleted_becomes_the_file() -> None:
    """docker-squash leaves a hard link there whose target is missing."""
    layers = [listing("f a 7 x", "h b = a", "h c = a"), listing("w a")]
    made = repacked(layers, Span(0, 0)).made[0]
    first, second = made.entries
    assert (first.path, first.kind, first.size) == ("b", Kind.FILE, 7)
    assert (second.path, second.kind, second.link) == ("c", Kind.HARDLINK, "b")
    assert made.contents["b"].entry.path == "a"


def test_what_a_kept_layer_has_does_not_come_back() -> None:
    """A file that a rewritten layer had deleted, put there again and lost once more."""
    layers = [listing("f a 1 x"), listing("w a"), listing("f a 2 y"), listing("w a")]
    made = repacked(layers, Span(1, 2))
    assert names(made, 1) == [".wh.a"]
    assert tree([layer.listing for layer in made.layers]) == {"": tree([])[""]}


def test_a_directory_made_anew_stays_empty_with_one_marker() -> None:
    many = [f"f d/{number} 1" for number in range(100)]
    layers = [listing("d d", *many), listing("w d"), listing("d d", "f d/new 1")]
    made = repacked(layers, Span(1, 2))
    assert names(made, 1) == ["d", "d/.wh..wh..opq", "d/new"]


def test_a_layer_that_contradicts_itself_deletes_nothing_below() -> None:
    layers = [listing("f a/a/a 1 x"), listing("f a 2 y", "f a/a 3 z", "w a/a/a")]
    made = repacked(layers, Span(0, 0), Span(1, 1))
    assert tree([layer.listing for layer in made.layers]) == tree(layers)
    assert sorted(tree(layers)) == ["", "a", "a/a"]


def test_names_that_only_look_like_markers_are_files() -> None:
    made = repacked([listing("f d.wh.e 4", "f gone 2"), listing("w gone")], Span(0, 0))
    assert names(made, 0) == ["d.wh.e"]


def test_what_is_to_be_removed_is_left_out() -> None:
    layers = [listing("d a", "f a/x 4", "f a/y 2", "h z = a/x")]
    made = plan(layers, Union.of(layers), [Span(0, 0)], removed={"a/x"})
    assert [(each.path, each.kind) for each in made.layers[0].listing.entries] == [
        ("a", Kind.DIRECTORY),
        ("a/y", Kind.FILE),
        ("z", Kind.FILE),
    ]


@pytest.mark.parametrize("kind", [Kind.CHAR, Kind.BLOCK])
def test_devices_and_attributes_stay(kind: Kind) -> None:
    device = Entry("device", kind, 0o660, 0, 6, 0, 5, device=(8, 1))
    labelled = Entry("f", Kind.FILE, 0o4755, 1, 2, 3, 7, xattrs=(("security.capability", b"\1"),))
    layers = [
        Listing(listing().diff_id, (device, labelled), 0),
        listing("f gone 1"),
        listing("w gone"),
    ]
    made = repacked(layers, Span(0, 1))
    assert made.layers[0].listing.entries == (device, labelled)
