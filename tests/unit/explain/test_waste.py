"""The bytes of an image add up."""

from __future__ import annotations

from hypothesis import given, settings

from lamina.explain.waste import account, largest_first
from lamina.layer.contract import Listing
from tests.unit.layer.stacks import Model, listing, stacks


@settings(max_examples=400, deadline=None)
@given(stacks)
def test_visible_and_hidden_are_all_there_is(layers: list[Listing]) -> None:
    found = account(layers)
    assert found.visible_bytes == Model.of(layers).visible_bytes()
    assert found.visible_bytes + found.hidden_bytes == found.bytes
    assert found.bytes == sum(entry.size for layer in layers for entry in layer.entries)
    assert found.hidden_bytes == sum(hidden.size for hidden in found.hidden)
    assert [layer.hides for layer in found.layers] == [
        {
            below: other.hidden_by[place]
            for below, other in enumerate(found.layers)
            if place in other.hidden_by
        }
        for place in range(len(layers))
    ]
    assert all(layer.visible_bytes >= 0 for layer in found.layers)


def test_the_seed_s_image_ships_what_it_removed() -> None:
    base = listing("d bin", "f bin/sh 1000")
    made = listing("f home/50M.file 52428800")
    gone = listing("w home/50M.file")
    found = account([base, made, gone])
    assert (found.bytes, found.visible_bytes, found.hidden_bytes) == (52429800, 1000, 52428800)
    assert [dict(layer.hidden_by) for layer in found.layers] == [{}, {2: 52428800}, {}]
    assert [dict(layer.hides) for layer in found.layers] == [{}, {}, {1: 52428800}]


def test_removing_a_directory_counts_all_that_was_in_it() -> None:
    found = account([listing("f d/a 2000", "f d/e/b 3000", "f x 1"), listing("w d")])
    assert (found.visible_bytes, found.hidden_bytes) == (1, 5000)
    assert [hidden.size for hidden in sorted(found.hidden, key=largest_first)] == [3000, 2000]


def test_one_layer_is_told_by_whom_it_is_hidden() -> None:
    found = account([listing("f a 1", "f b 2", "f c 4"), listing("f a 9"), listing("w b")])
    assert dict(found.layers[0].hidden_by) == {1: 1, 2: 2}
    assert found.layers[0].visible_bytes == 4


def test_no_layers_have_no_bytes() -> None:
    assert account([]).bytes == account([]).hidden_bytes == 0
