"""Which layer gave which entry of a directory."""

from __future__ import annotations

from hypothesis import given

from lamina.explain.ownership import Member, members
from lamina.explain.waste import account
from lamina.layer.contract import Listing
from lamina.layer.union import Union
from tests.unit.layer.stacks import listing, stacks


def told(path: str, *layers: Listing) -> list[tuple[str, int, str]]:
    """Name, bytes, and the layers; or what became of it and by whom."""
    return [(each.name, each.bytes, _state(each)) for each in members(Union.of(layers), path)]


def _state(member: Member) -> str:
    layers = ",".join(map(str, member.layers))
    gone = member.gone
    return (
        layers if gone is None else f"{layers} {gone.cause.value} by {gone.hidden_by} at {gone.at}"
    )


def test_each_entry_has_the_layer_that_gave_it() -> None:
    layers = listing("d d", "f d/a 1", "l d/l -> a"), listing("d d", "f d/b 2")
    assert told("d", *layers) == [("a", 1, "0"), ("b", 2, "1"), ("l", 0, "0")]


def test_a_directory_tells_all_that_filled_it_and_what_is_hidden_in_it() -> None:
    layers = (
        listing("d d", "d d/s", "f d/s/a 1", "f d/s/b 10"),
        listing("f d/s/c 5"),
        listing("w d/s/b"),
    )
    [found] = members(Union.of(layers), "d")
    assert (found.layers, found.layer) == ([0, 1], 0)
    assert (found.files, found.bytes, found.hidden_bytes) == (2, 6, 10)


def test_what_lower_layers_had_stands_beside_it() -> None:
    layers = (
        listing("d d", "f d/over 1 a", "f d/same 2 b", "f d/gone 3", "d d/t", "f d/t/x 4"),
        listing("d d", "f d/over 1 c", "f d/same 2 b", "w d/gone", "f d/t 9"),
    )
    assert told("d", *layers) == [
        ("gone", 3, "0 deleted by 1 at d/gone"),
        ("over", 1, "1"),
        ("over", 1, "0 overwritten by 1 at d/over"),
        ("same", 2, "1"),
        ("same", 2, "0 duplicated by 1 at d/same"),
        ("t", 9, "1"),
        ("t", 4, "0 replaced by 1 at d/t"),
    ]


def test_a_directory_that_is_gone_tells_what_was_in_it() -> None:
    layers = listing("d d", "f d/a 1", "d d/s", "f d/s/b 2"), listing("w d")
    assert told("d", *layers) == [
        ("a", 1, "0 deleted by 1 at d"),
        ("s", 2, "0 deleted by 1 at d"),
    ]
    layers = listing("d d", "f d/a 1"), listing("d d", "o d", "f d/b 5")
    assert told("d", *layers) == [("a", 1, "0 opaque by 1 at d"), ("b", 5, "1")]


def test_a_name_that_went_while_its_content_stays_has_no_bytes() -> None:
    layers = listing("f d/a 5", "h e = d/a"), listing("w d/a")
    assert told("d", *layers) == [("a", 0, "0 deleted by 1 at d/a")]


def test_the_root() -> None:
    layers = listing("f a 1", "f d/x 2"), listing("w a")
    assert told("", *layers) == [("a", 1, "0 deleted by 1 at a"), ("d", 2, "0")]


def test_a_file_has_nothing_in_it() -> None:
    assert told("a", listing("f a 1")) == []


@given(stacks)
def test_all_that_is_hidden_is_told_at_the_root(layers: list[Listing]) -> None:
    found = members(Union.of(layers), "")
    gone = sum(each.bytes for each in found if each.gone is not None)
    inside = sum(each.hidden_bytes for each in found)
    assert gone + inside == account(layers).hidden_bytes


@given(stacks)
def test_all_that_is_seen_is_told_once(layers: list[Listing]) -> None:
    union = Union.of(layers)
    seen = [each.name for each in members(union, "") if each.gone is None]
    assert seen == union.children("")
