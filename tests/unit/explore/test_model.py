"""What the explorer shows when somebody looks at layers, sorts, filters and asks for causes."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.explain.cause import Base
from lamina.explore.model import Explorer
from lamina.explore.tree import Node, Sort, State
from tests.fakes.stacks import Files, numbered, stack_of, stack_of_files
from tests.unit.layer.stacks import listing

SEED: list[Files] = [
    {"bin": None, "bin/sh": b"#" * 900, "etc": None, "etc/passwd": b"root", "usr/a.log": b"a" * 50},
    {"home": None, "home/50M.file": bytes(5000)},
    {"home/.wh.50M.file": b""},
    {"etc/passwd": b"root, me", "usr/a.log": b"a" * 50, "new": b"n"},
]


def seed() -> Explorer:
    return Explorer(stack_of_files(SEED, ["ADD rootfs", "RUN dd", "RUN rm", "RUN edit"]))


def shown(explorer: Explorer) -> list[str]:
    """All rows: state, path."""
    signs = {"added": "+", "changed": "~", "deleted": "-", "unmodified": " "}
    explorer.rows.grow(1000)
    rows = [explorer.rows.upto(place) for place in range(explorer.rows.made)]
    return [f"{signs[row.node.state.value]} {row.node.path}" for row in rows if row]


def node(explorer: Explorer, path: str) -> Node:
    found = explorer.tree.node(path)
    assert found is not None
    return found


def paths(explorer: Explorer) -> Sequence[str]:
    return [line[2:] for line in shown(explorer)]


def test_the_whole_image_has_all_that_is_hidden() -> None:
    explorer = seed()
    explorer.toggle_all()
    assert shown(explorer) == [
        "  bin",
        "  bin/sh",
        "~ etc",
        "~ etc/passwd",
        "+ home",
        "- home/50M.file",
        "+ new",
        "~ usr",
        "~ usr/a.log",
    ]
    assert (explorer.tree.size, explorer.tree.hidden) == (959, 5054)
    assert node(explorer, "home").hidden == node(explorer, "home/50M.file").hidden == 5000


def test_layers_are_listed_from_the_top() -> None:
    assert list(seed().layers) == [None, 3, 2, 1, 0]


def test_a_layer_marks_its_own_changes_or_all_above_the_base() -> None:
    explorer = seed()
    explorer.toggle_all()
    explorer.look_at(1)
    assert "+ home/50M.file" in shown(explorer)
    explorer.look_at(2)
    assert [line for line in shown(explorer) if line[0] != " "] == ["~ home", "- home/50M.file"]
    explorer.look_at(3)
    assert "- home/50M.file" not in shown(explorer)
    explorer.mark(aggregated=True)
    assert "- home/50M.file" in shown(explorer)
    explorer.look_at(0)
    assert {line[0] for line in shown(explorer)} == {" "}


def test_the_base_is_as_large_as_is_known() -> None:
    stack = stack_of(
        [listing("f a 1 a"), listing("f b 1 b"), listing("f c 1 c")], base=Base("debian", 2)
    )
    assert shown(Explorer(stack)) == ["  a", "  b", "+ c"]


def test_states_are_left_out_and_directories_stay_while_something_in_them_does() -> None:
    explorer = seed()
    explorer.toggle_all()
    explorer.look_at(2)
    explorer.toggle_state(State.UNMODIFIED)
    assert shown(explorer) == ["~ home", "- home/50M.file"]
    explorer.toggle_state(State.CHANGED)
    assert shown(explorer) == ["~ home", "- home/50M.file"]
    explorer.toggle_state(State.DELETED)
    assert shown(explorer) == []
    explorer.toggle_state(State.UNMODIFIED)
    assert "  bin/sh" in shown(explorer)


def test_sorting_by_waste_puts_what_is_wasted_first() -> None:
    explorer = seed()
    assert paths(explorer) == ["bin", "etc", "home", "new", "usr"]
    orders = {}
    for _ in Sort:
        explorer.sort_next()
        orders[explorer.sort] = paths(explorer)
    assert list(orders) == [Sort.SIZE, Sort.HIDDEN, Sort.NAME]
    assert orders[Sort.SIZE][0] == "bin"
    assert orders[Sort.HIDDEN][:3] == ["home", "usr", "etc"]
    assert orders[Sort.NAME] == ["bin", "etc", "home", "new", "usr"]


def test_a_filter_keeps_what_matches_and_what_that_lies_in() -> None:
    explorer = seed()
    explorer.filter("PASS")
    assert paths(explorer) == ["etc", "etc/passwd"]
    explorer.filter("*.log")
    assert paths(explorer) == ["usr", "usr/a.log"]
    explorer.filter("/home/*")
    assert paths(explorer) == ["home", "home/50M.file"]
    explorer.look_at(0)
    assert paths(explorer) == []
    explorer.filter("")
    assert paths(explorer) == ["bin", "etc", "usr"]


def test_directories_open_and_close_and_a_filter_has_its_own() -> None:
    explorer = seed()
    explorer.rows.toggle(1)
    assert paths(explorer) == ["bin", "etc", "etc/passwd", "home", "new", "usr"]
    explorer.filter("a")
    assert "usr/a.log" in paths(explorer)
    explorer.rows.toggle(len(paths(explorer)) - 2)
    assert "usr/a.log" not in paths(explorer)
    explorer.filter("")
    assert paths(explorer) == ["bin", "etc", "etc/passwd", "home", "new", "usr"]
    explorer.rows.toggle(1)
    assert paths(explorer) == ["bin", "etc", "home", "new", "usr"]
    explorer.toggle_all()
    assert len(paths(explorer)) == 9
    explorer.toggle_all()
    assert len(paths(explorer)) == 5


def test_the_cause_leads_from_what_is_hidden_to_who_hid_it_and_who_shipped_it() -> None:
    explorer = seed()
    assert explorer.cause(node(explorer, "home/50M.file"))
    assert (explorer.layer, node(explorer, "home/50M.file").state) == (2, State.DELETED)
    assert "home/50M.file" in paths(explorer)
    assert explorer.cause(node(explorer, "home/50M.file"))
    assert (explorer.layer, node(explorer, "home/50M.file").state) == (1, State.ADDED)
    assert explorer.cause(node(explorer, "home/50M.file"))
    assert explorer.layer == 2


def test_the_cause_of_a_directory_is_that_of_most_of_it() -> None:
    explorer = seed()
    assert explorer.cause(node(explorer, "home"))
    assert explorer.layer == 2
    assert explorer.cause(node(explorer, "home"))
    assert explorer.layer == 1


def test_what_is_changed_leads_to_who_wrote_it_and_who_had_it_before() -> None:
    explorer = seed()
    assert explorer.cause(node(explorer, "etc/passwd"))
    assert (explorer.layer, node(explorer, "etc/passwd").state) == (3, State.CHANGED)
    assert explorer.cause(node(explorer, "etc/passwd"))
    assert explorer.layer == 0


def test_what_nothing_happened_to_leads_to_its_layer_and_no_further() -> None:
    explorer = seed()
    assert explorer.cause(node(explorer, "bin/sh"))
    assert explorer.layer == 0
    assert not explorer.cause(node(explorer, "bin/sh"))


def test_a_cause_gives_up_the_filter_that_leaves_it_out() -> None:
    explorer = seed()
    explorer.toggle_state(State.DELETED)
    explorer.filter("passwd")
    assert explorer.cause(node(explorer, "home/50M.file"))
    assert "home/50M.file" in paths(explorer)


def test_a_deleted_link_leads_to_who_deleted_it() -> None:
    explorer = Explorer(stack_of([listing("l a -> b"), listing("f c 1 c"), listing("w a")]))
    assert explorer.cause(node(explorer, "a"))
    assert explorer.layer == 2
    assert explorer.cause(node(explorer, "a"))
    assert explorer.layer == 0


def test_a_path_out_of_sight_is_shown_as_the_directory_that_it_is_folded_in() -> None:
    explorer = seed()
    assert explorer.shown_as("home/50M.file") == "home"
    explorer.folds.open_above("home/50M.file")
    assert explorer.shown_as("home/50M.file") == "home/50M.file"
    explorer.look_at(0)
    assert explorer.shown_as("home/50M.file") == ""


def test_an_image_without_layers_is_empty() -> None:
    explorer = Explorer(stack_of([], numbered([])))
    assert (list(explorer.layers), paths(explorer)) == ([None], [])


def test_rows_are_made_as_they_are_looked_at() -> None:
    many = {f"d{number:03}/x": b"x" for number in range(300)}
    explorer = Explorer(stack_of_files([many]))
    explorer.toggle_all()
    assert explorer.rows.upto(10) is not None
    assert (explorer.rows.made, explorer.rows.is_whole) == (11, False)
    explorer.rows.toggle(10)  # the last row that is made: the rest of its directory goes too
    assert paths(explorer)[10:13] == ["d005", "d006", "d006/x"]
    assert explorer.rows.find("d299/x") == 598
    assert explorer.rows.find("nowhere") is None
    assert explorer.rows.find("d299/x", within=5) is None
