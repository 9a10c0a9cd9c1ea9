"""What became of every entry."""

from __future__ import annotations

from hypothesis import given, settings

from lamina.explain.fate import Fates, fates
from lamina.explain.waste import account
from lamina.layer.contract import Listing
from lamina.layer.entry import Kind
from lamina.layer.union import Union
from tests.unit.layer.stacks import listing, stacks


def told(layers: list[Listing]) -> list[list[str]]:
    """Each entry in words: `shown`, `marker`, or its cause and who hides it."""
    return [
        [_words(each, at) for at in range(len(layer.entries))]
        for layer, each in zip(layers, fates(layers, Union.of(layers)), strict=True)
    ]


def _words(found: Fates, at: int) -> str:
    if found.shown(at):
        return "shown"
    cause = found.cause(at)
    return f"{cause.value} {found.hidden_by[at]}" if cause else "marker"


@settings(max_examples=300, deadline=None)
@given(stacks)
def test_what_is_shown_is_the_merged_tree(layers: list[Listing]) -> None:
    found = account(layers)
    result = fates(layers, found.union)
    entries = [
        (layer, entry, result[layer], at)
        for layer, listing_ in enumerate(layers)
        for at, entry in enumerate(listing_.entries)
    ]
    shown = [(layer, entry) for layer, entry, fate, at in entries if fate.shown(at)]
    assert sum(entry.size for _, entry in shown) == found.visible_bytes
    assert sum(entry.size for _, entry, fate, at in entries if fate.cause(at)) == found.hidden_bytes
    made = {id(entry) for _, entry, _, _ in entries}
    merged = {
        (layer, entry.path)
        for layer, entry in found.union.walk()
        if entry.kind is not Kind.FILE and id(entry) in made
    }
    root = {(layer, entry.path) for layer, entry in shown if entry.path == ""}
    assert {(layer, e.path) for layer, e in shown if e.kind is not Kind.FILE} == merged | root
    assert all(fate.hidden_by[at] >= layer for layer, _, fate, at in entries if fate.cause(at))


def test_each_way_to_disappear() -> None:
    base = listing("d a", "f a/x 1", "l a/l -> x", "d b", "f b/y 2", "d c", "f c/z 3", "d e")
    top = listing("w a", "d b", "o b", "f c 4", "d e")
    assert told([base, top]) == [
        [*["deleted 1"] * 3, "merged 1", "opaque 1", *["replaced 1"] * 2, "merged 1"],
        ["marker", "shown", "marker", "shown", "shown"],
    ]


def test_a_content_is_shown_while_any_of_its_names_is() -> None:
    base = listing("f a 5", "h b = a")
    assert told([base, listing("w a")]) == [["shown", "shown"], ["marker"]]
    assert told([base, listing("w b")]) == [["shown", "deleted 1"], ["marker"]]
    gone = told([base, listing("w b"), listing("w a")])
    assert gone == [["deleted 2", "deleted 1"], ["marker"], ["marker"]]


def test_what_a_layer_replaces_itself() -> None:
    layer = listing("d a", "l a/l -> x", "f a/f 1", "f a 2")
    assert told([layer]) == [["superseded 0", "superseded 0", "superseded 0", "shown"]]
