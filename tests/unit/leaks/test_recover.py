"""Every copy of a file that layers have, and which one is meant."""

from __future__ import annotations

import pytest
from hypothesis import given

from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Cause
from lamina.leaks.recover import (
    NoCopy,
    NothingHidden,
    clean_path,
    copies,
    hidden_below,
    is_directory,
    newest_hidden,
)
from tests.fakes.stacks import stack_of, stack_of_files
from tests.unit.layer.stacks import listing, stacks


def told(stack: Stack, path: str) -> list[tuple[int, bool, int | None, Cause | None]]:
    return [(c.layer, c.shown, c.hidden_by, c.cause) for c in copies(stack, path)]


def test_copies_come_newest_first_with_what_hid_them() -> None:
    stack = stack_of_files([{"f": b"1"}, {"f": b"2"}, {".wh.f": b""}, {"f": b"4"}])
    assert told(stack, "f") == [
        (3, True, None, None),
        (1, False, 2, Cause.DELETED),
        (0, False, 1, Cause.OVERWRITTEN),
    ]
    assert newest_hidden(copies(stack, "f")).layer == 1


def test_a_file_of_a_deleted_directory() -> None:
    stack = stack_of_files([{"a/b/f": b"1"}, {".wh.a": b""}])
    assert told(stack, "a/b/f") == [(0, False, 1, Cause.DELETED)]


def test_the_copy_that_is_meant_has_another_content_than_what_is_seen() -> None:
    stack = stack_of_files([{"f": b"old"}, {"f": b"new"}, {"f": b"new"}])
    assert newest_hidden(copies(stack, "f")).layer == 0
    same = stack_of_files([{"f": b"1"}, {"f": b"1"}])
    assert newest_hidden(copies(same, "f")).layer == 0
    seen = stack_of_files([{"f": b"1"}])
    assert newest_hidden(copies(seen, "f")).shown


def test_a_hard_link_has_the_content_before_it() -> None:
    stack = stack_of([listing("f a 1", "h b = a", "f a 2"), listing("w b")])
    (copy,) = copies(stack, "b")
    assert (copy.content.path, copy.content.size, copy.hidden_by) == ("a", 1, 1)


@pytest.mark.parametrize("above", ["w a", "f a 5", "d d", "w d", "o d"])
def test_a_name_may_go_while_its_content_stays_visible(above: str) -> None:
    path = "d/a" if above.endswith(" d") else "a"
    first = listing(f"f {path} 1", f"h z = {path}")
    stack = stack_of([first, listing(above)])
    (copy, *_) = [each for each in copies(stack, path) if each.layer == 0]
    assert (copy.shown, copy.hidden_by) == ((True, None) if above == "d d" else (False, 1))


@given(stacks)
def test_a_path_has_one_visible_copy_when_a_file_is_seen_there(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    for path in {entry.path for each in layers for entry in each.entries}:
        content = stack.union.content(path)
        try:
            shown = [copy for copy in copies(stack, path) if copy.shown]
        except NoCopy:
            shown = []
        assert [copy.content for copy in shown] == ([content.entry] if content else [])


@given(stacks)
def test_all_hidden_bytes_can_be_brought_back(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    for hidden in stack.union.hidden:
        found = copies(stack, hidden.path) if hidden.size else []
        assert not hidden.size or any(copy.content is hidden.entry for copy in found)


def test_all_that_is_hidden_below_a_directory() -> None:
    stack = stack_of_files(
        [
            {"a": None, "a/f": b"1", "a/g": b"1", "a/same": b"s", "b": b"x"},
            {"a/f": b"2", "a/new": b"n", "a/same": b"s"},
            {"a/.wh.f": b"", "a/.wh.g": b"", ".wh.b": b""},
        ]
    )
    assert is_directory(stack, "a") and not is_directory(stack, "b")
    assert [(c.path, c.layer) for c in hidden_below(stack, "a")] == [("a/f", 1), ("a/g", 0)]
    assert [(c.path, c.layer) for c in hidden_below(stack, "a", 0)] == [("a/f", 0), ("a/g", 0)]
    assert [c.path for c in hidden_below(stack, "")] == ["a/f", "a/g", "b"]


def test_what_was_a_file_and_a_directory_comes_back_as_the_newer() -> None:
    stack = stack_of_files([{"d/x": b"file"}, {"d/x": None, "d/x/y": b"1"}, {".wh.d": b""}])
    assert [c.path for c in hidden_below(stack, "d")] == ["d/x/y"]
    other = stack_of_files([{"d/x/y": b"1"}, {"d/x": b"file"}, {".wh.d": b""}])
    assert [c.path for c in hidden_below(other, "d")] == ["d/x"]


def test_links_on_the_way_are_followed() -> None:
    stack = stack_of([listing("d real", "f real/f 1", "l link -> real"), listing("w real/f")])
    assert clean_path(stack, "/link/../link/f") == "real/f"


def test_what_is_not_there_is_told_with_what_is_like_it() -> None:
    stack = stack_of_files([{"root/.ssh/id_rsa": b"1", "a/b": b"2"}, {"root/.ssh/.wh.id_rsa": b""}])
    for path in ("root/.ssh/id_rs", "home/id_rsa"):
        with pytest.raises(NoCopy) as caught:
            copies(stack, path)
        assert caught.value.hint == "hidden there: /root/.ssh/id_rsa"
    with pytest.raises(NoCopy):
        hidden_below(stack, "nowhere")
    with pytest.raises(NothingHidden):
        hidden_below(stack, "a")


def test_a_marker_with_a_content_is_a_file_and_an_empty_one_is_none() -> None:
    stack = stack_of_files([{".wh.a": b"content"}])
    assert told(stack, ".wh.a") == [(0, False, 0, Cause.SUPERSEDED)]
    marker = Entry(".wh.a", Kind.FILE, 0, 0, 0, 0, 0)
    with pytest.raises(NoCopy):
        copies(stack_of([Listing(stack.listings[0].diff_id, [marker], 0)]), ".wh.a")
