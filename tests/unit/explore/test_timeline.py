"""One pass answers for every layer: what is there, how large, what of it nobody sees."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from hypothesis import given

from lamina.explain.waste import account
from lamina.explore.model import Explorer
from lamina.explore.rows import Folds, Rows
from lamina.explore.timeline import Timeline
from lamina.explore.tree import Span, State, Tree
from lamina.layer.contract import Listing
from lamina.layer.union import Union
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing, stacks


def tree_at(layers: Sequence[Listing], last: int, *, first: int = 0, single: bool = False) -> Tree:
    stack = stack_of(layers)
    return Tree(stack, Timeline(stack), Span(last, first, single))


def everything(tree: Tree) -> dict[str, State]:
    """Path → state of all nodes."""
    rows = Rows(tree.children, Folds(all_open=True))
    found: dict[str, State] = {}
    while (row := rows.upto(len(found))) is not None:
        found[row.node.path] = row.node.state
    return found


@given(stacks)
def test_each_layer_s_tree_is_the_union_up_to_it(layers: list[Listing]) -> None:
    for last in range(len(layers)):
        states = everything(tree_at(layers, last))
        seen = {path for path, state in states.items() if state is not State.DELETED}
        assert seen == {entry.path for _, entry in Union.of(layers[: last + 1]).walk()}


@given(stacks)
def test_the_sums_of_the_root_are_the_accounts(layers: list[Listing]) -> None:
    whole = account(layers)
    for last in range(len(layers)):
        below = account(layers[: last + 1])
        tree = tree_at(layers, last)
        assert tree.size == below.visible_bytes
        assert tree.hidden == sum(each.hidden_bytes for each in whole.layers[: last + 1])
        single = tree_at(layers, last, first=last, single=True)
        taken = {layer: size for layer, size in whole.layers[last].hides.items() if layer != last}
        assert single.hidden == whole.layers[last].hidden_bytes + sum(taken.values())


@given(stacks)
def test_hidden_bytes_of_a_directory_are_those_of_what_is_shown_in_it(
    layers: list[Listing],
) -> None:
    for last in range(len(layers)):
        for single in (False, True):
            tree = tree_at(layers, last, first=last if single else 1, single=single)
            assert tree.hidden == sum(node.hidden for node in tree.children(""))


@given(stacks)
def test_the_states_are_those_of_two_unions_compared(layers: list[Listing]) -> None:
    for last in range(len(layers)):
        before = {entry.path: entry for _, entry in Union.of(layers[:last]).walk()}
        after = {entry.path: entry for _, entry in Union.of(layers[: last + 1]).walk()}
        states = everything(tree_at(layers, last, first=last, single=True))
        assert {path for path, state in states.items() if state is State.ADDED} == (
            after.keys() - before.keys()
        )
        assert before.keys() - after.keys() <= {
            path for path, state in states.items() if state is State.DELETED
        }
        for path in before.keys() & after.keys():
            if before[path].kind is not after[path].kind:
                assert states[path] is State.CHANGED


def test_a_content_is_counted_at_the_name_that_lasts() -> None:
    layers = [listing("f a/x 100 c", "h b/y = a/x"), listing("w a/x"), listing("w b/y")]
    sizes = []
    for last in range(3):
        tree = tree_at(layers, last)
        sizes.append([(node.path, node.size) for node in tree.children("")])
    assert sizes[0] == [("a", 100), ("b", 0)]
    assert sizes[1] == [("a", 0), ("b", 100)]
    assert sizes[2] == [("a", 0), ("b", 0)]


def test_a_directory_that_only_comes_again_is_unmodified() -> None:
    layers = [listing("d a", "f a/x 1 c", "d b"), listing("d a", "d b", "f b/y 2 d")]
    states = everything(tree_at(layers, 1, first=1, single=True))
    assert states == {
        "a": State.UNMODIFIED,
        "a/x": State.UNMODIFIED,
        "b": State.CHANGED,
        "b/y": State.ADDED,
    }


def test_what_is_deleted_is_shown_by_the_layer_that_did_it_and_by_all_together() -> None:
    layers = [
        listing("f d/e/x 100 c", "f keep 1 k"),
        listing("w d"),
        listing("f other 5 o"),
    ]
    deleted = {"d": State.DELETED, "d/e": State.DELETED, "d/e/x": State.DELETED}
    kept = {"keep": State.UNMODIFIED}
    assert everything(tree_at(layers, 1, first=1, single=True)) == deleted | kept
    alone = everything(tree_at(layers, 2, first=2, single=True))
    assert alone == {"keep": State.UNMODIFIED, "other": State.ADDED}
    together = everything(tree_at(layers, 2, first=1))
    assert together == deleted | kept | {"other": State.ADDED}


def test_a_deep_tree_is_no_deep_recursion() -> None:
    path = "/".join("d" * 300)
    stack = stack_of([listing(f"f {path}/x 1 c"), listing(f"w {path}/x")])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        explorer = Explorer(stack)
        explorer.filter("/x")
        explorer.toggle_state(State.CHANGED)
        explorer.rows.grow(2000)
    finally:
        sys.setrecursionlimit(limit)
    assert explorer.rows.made == 301
