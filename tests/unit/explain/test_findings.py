"""Hidden files, gathered into what a person would call one thing."""

from __future__ import annotations

from hypothesis import given, settings

from lamina.explain.findings import Finding, findings
from lamina.explain.waste import account
from lamina.layer.contract import Listing
from tests.unit.layer.stacks import listing, stacks


def told(*layers: Listing) -> list[tuple[str, str, int, int]]:
    found = findings(account(layers).hidden)
    return [(each.cause.value, each.path, each.files, each.bytes) for each in found]


@settings(max_examples=300, deadline=None)
@given(stacks)
def test_nothing_is_lost_by_gathering(layers: list[Listing]) -> None:
    hidden = account(layers).hidden
    found = findings(hidden)
    assert sum(each.bytes for each in found) == sum(each.size for each in hidden)
    assert sum(each.files for each in found) == sum(1 for each in hidden if each.size)
    keys = {(each.cause, each.layer, each.hidden_by) for each in found}
    assert keys == {(h.cause, h.layer, h.hidden_by) for h in hidden if h.size}
    for each in found:
        assert any(_covers(each, h.at) for h in hidden if h.size)


def _covers(found: Finding, at: str) -> bool:
    return at == found.at or (found.spread and (not found.at or at.startswith(found.at + "/")))


def test_a_directory_that_was_deleted_is_one_thing() -> None:
    files = [f"f d/{number} 10" for number in range(30)]
    assert told(listing("d d", *files), listing("w d")) == [("deleted", "/d", 30, 300)]


def test_what_was_touched_file_by_file_is_told_by_directories() -> None:
    files = [f"f srv/app/{place}/{number} 10 same" for place in "abcd" for number in range(10)]
    assert told(listing(*files), listing(*files)) == [("duplicated", "/srv/app/**", 40, 400)]


def test_a_file_that_makes_much_of_it_is_told_by_itself() -> None:
    files = [f"f srv/{number} 1 same" for number in range(40)]
    layer = listing("f srv/large 1000 same", *files)
    assert told(layer, layer) == [
        ("duplicated", "/srv/large", 1, 1000),
        ("duplicated", "/srv/**", 40, 40),
    ]


def test_few_files_are_told_as_they_are() -> None:
    layer = listing("f a/1 10 same", "f b/2 20 same", "f c/3 30 same")
    assert [path for _, path, _, _ in told(layer, layer)] == ["/c/3", "/b/2", "/a/1"]


def test_strangers_in_different_directories_are_not_one_thing() -> None:
    files = [f"f etc/{number} 1 same" for number in range(30)]
    layer = listing(*files, "f bin/sh 1 same", "f lib/x 1 same")
    assert told(layer, layer) == [
        ("duplicated", "/etc/**", 30, 30),
        ("duplicated", "/bin/sh", 1, 1),
        ("duplicated", "/lib/x", 1, 1),
    ]
