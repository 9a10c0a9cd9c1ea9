"""Who wrote each file, and who wrote what is in it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from lamina.explain.blame import Blamed, blame, summary
from lamina.explain.difference import Aspect, Copy, same_content
from lamina.explain.stack import Stack
from lamina.explain.view import NoSuchPath, open_view
from lamina.layer.contract import Listing
from lamina.layer.entry import Kind
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing, stacks


def chmod(layer: Listing, path: str, mode: int) -> Listing:
    entries = [
        msgspec.structs.replace(entry, mode=mode) if entry.path == path else entry
        for entry in layer.entries
    ]
    return Listing(layer.diff_id, tuple(entries), layer.tar_size)


def told(stack: Stack, path: str = "") -> dict[str, tuple[int, int]]:
    return {each.path: (each.layer, each.content_layer) for each in blame(stack, path)}


def test_the_last_writer_and_the_one_whose_content_it_is() -> None:
    first = listing("d etc", "f etc/a 3 x", "f etc/b 3 y", "l etc/l -> a", "f etc/d 1 z")
    touched = chmod(listing("d etc", "f etc/a 3 x", "l etc/l -> a", "f etc/b 3 z"), "etc/a", 0o600)
    stack = stack_of([first, touched, listing("f etc/a 3 x", "w etc/d"), listing("f etc/d 1 z")])
    assert told(stack) == {
        "etc": (1, 0),
        "etc/a": (2, 0),
        "etc/b": (1, 1),
        "etc/d": (3, 3),
        "etc/l": (1, 0),
    }
    (found,) = blame(stack, "/etc/l/")
    assert (found.path, found.touched, found.changes) == ("etc/a", True, ())
    assert blame(stack, "etc")[0].path == "etc"
    with pytest.raises(NoSuchPath):
        blame(stack, "/nowhere")


def test_a_change_of_metadata_is_known() -> None:
    first = listing("f a 3 x")
    stack = stack_of([first, chmod(first, "a", 0o4755)])
    (found,) = blame(stack)
    assert found.changes == (Aspect.MODE,)
    assert (found.before and found.before.mode, found.inode.mode) == (0o644, 0o4755)


def test_one_name_of_two_is_touched() -> None:
    stack = stack_of([listing("f a 3 x", "h b = a"), listing("f b 3 x")])
    assert told(stack) == {"a": (0, 0), "b": (1, 0)}


@pytest.mark.parametrize(
    "between", ["w d/a", "w d", "o d", "f d 1 z", "l d -> x", "d d/a/b"], ids=lambda line: str(line)
)
def test_what_was_gone_between_is_new(between: str) -> None:
    stack = stack_of([listing("d d", "f d/a 3 x"), listing(between), listing("d d", "f d/a 3 x")])
    assert told(stack)["d/a"] == (2, 2)


@given(stacks.filter(lambda layers: all(_distinct(each) for each in layers)))
def test_the_content_was_there_in_every_image_since(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    images = [open_view(stack_of(layers[: count + 1])) for count in range(len(layers))]
    for each in blame(stack):
        if each.entry.kind is Kind.DIRECTORY:
            continue
        now = Copy(stack, each.layer, each.inode)
        since = len(layers) - 1
        while since and (seen := images[since - 1].at(each.path)):
            if not same_content(Copy(stack, seen[0].layer, seen[0].inode), now):
                break
            since -= 1
        assert each.content_layer == since


def _distinct(layer: Listing) -> bool:
    paths = [entry.path for entry in layer.entries]
    return len(set(paths)) == len(paths)


def lines(blamed: list[Blamed]) -> list[str]:
    return [
        f"{part.path} {part.layer}<{part.content_layer} {part.files}f {part.bytes}b"
        f"{'' if part.whole else ' in part'}"
        for part in summary(blamed)
    ]


def test_a_directory_from_one_layer_is_one_line() -> None:
    stack = stack_of([listing("f usr/a/x 1", "f usr/a/y 2", "f bin 4"), listing("f opt/b/z 8")])
    assert lines(blame(stack)) == ["bin 0<0 1f 4b", "opt 1<1 1f 8b", "usr 0<0 2f 3b"]
    assert lines(blame(stack, "usr")) == ["usr/a 0<0 2f 3b"]
    assert lines(blame(stack, "usr/a")) == ["usr/a/x 0<0 1f 1b", "usr/a/y 0<0 1f 2b"]
    assert lines(blame(stack, "bin")) == ["bin 0<0 1f 4b"]


def test_much_from_one_layer_in_a_mixed_directory_is_one_line() -> None:
    base = listing(*(f"f usr/doc/{name} 1" for name in "abcde"), "h usr/doc/f = usr/doc/a")
    stack = stack_of([base, listing("f usr/doc/new 7", "f usr/doc/a 2 x")])
    assert lines(blame(stack)) == [
        "usr/doc 0<0 5f 5b in part",
        "usr/doc/a 1<1 1f 2b",
        "usr/doc/new 1<1 1f 7b",
    ]


def test_a_layer_that_only_touched_a_tree_is_one_line() -> None:
    files = [f"f srv/{name} 1 x" for name in "abcde"]
    base = listing("d srv", *files, "d tmp")
    layer = chmod(listing("d srv", *files, "d tmp"), "tmp", 0o1777)
    stack = stack_of([base, layer])
    assert lines(blame(stack)) == ["srv 1<0 5f 5b", "tmp 1<0 0f 0b"]
    (srv, tmp) = summary(blame(stack))
    assert (srv.one, srv.changes, tmp.changes) == (None, (), (Aspect.MODE,))
    assert tmp.one is not None and tmp.one.before is not None


@given(stacks)
def test_a_summary_leaves_nothing_out(layers: list[Listing]) -> None:
    blamed = blame(stack_of(layers))
    parts = summary(blamed)
    assert sum(part.files for part in parts) == sum(
        each.entry.kind is not Kind.DIRECTORY for each in blamed
    )
    sizes = {id(each.inode): each.inode.size for each in blamed}
    assert sum(part.bytes for part in parts) == sum(sizes.values())
