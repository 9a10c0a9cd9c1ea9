"""Reports on what is in an image, on other papers than a wide terminal with every letter."""

from __future__ import annotations

from lamina.explain.blame import blame
from lamina.explain.compare import compare
from lamina.explain.owners import Owners
from lamina.explain.view import contents, open_view
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.oci.digest import Digest
from lamina.report import blame as blame_report
from lamina.report import compare as compare_report
from lamina.report import directory, tree
from lamina.report.paper import Paper
from tests.fakes.stacks import stack_of, stack_of_files
from tests.golden.golden import check
from tests.unit.layer.stacks import listing

STACK = stack_of(
    [
        listing("d etc", "f etc/a 1000 x", "f etc/b 20 y", "l etc/l -> a", "d empty"),
        listing("f etc/a 1000 x", "w etc/b", "f etc/日本 5 z"),
    ]
)
NARROW = Paper(width=60, unicode=False)


def test_narrow_and_plain() -> None:
    blamed = blame(STACK)
    check("cli/inside-narrow-blame.txt", blame_report.as_text(STACK, blamed, NARROW, every=False))
    check("cli/inside-narrow-tree.txt", tree.as_text(STACK, open_view(STACK), "", NARROW, depth=9))
    old = stack_of([STACK.listings[0]], identity="old")
    pair = compare_report.Pair(old, STACK, compare(old, STACK))
    check("cli/inside-narrow-diff.txt", compare_report.as_text(pair, NARROW, limit=1))
    assert compare_report.as_text(pair, NARROW, limit=0).count("more") == 1


def test_a_long_path_does_not_push_the_cause_away() -> None:
    new = stack_of([*STACK.listings, listing(f"f {'deep/' * 200}end 7")], identity="new")
    pair = compare_report.Pair(STACK, new, compare(STACK, new))
    lines = compare_report.as_text(pair, Paper(), limit=5).splitlines()
    assert max(map(len, lines)) <= 100
    one = stack_of([listing("d top", f"f top/{'x' * 150} 7")])
    other = stack_of([listing("d top", f"f top/{'x' * 150} 8")], identity="other")
    told = compare_report.as_text(
        compare_report.Pair(one, other, compare(one, other)), Paper(), limit=5
    )
    assert f"/top/{'x' * 11}…{'x' * 33}   content" in told


def test_a_tree_of_any_depth_is_drawn() -> None:
    deep = stack_of([listing(f"f {'d/' * 1500}end 7")])
    drawn = tree.as_text(deep, open_view(deep), "", Paper(), depth=None)
    assert len(drawn.splitlines()) == 1502
    assert len(list(tree.as_json(deep, open_view(deep), "", Owners({}, {}), depth=None))) == 1502
    assert blame_report.as_text(deep, blame(deep), Paper(), every=True).count("\n") == 1502


def test_devices_strange_times_and_names_of_owners() -> None:
    entries = (
        Entry("null", Kind.CHAR, 0o666, 0, 5, 0, 0, device=(1, 3)),
        Entry("late", Kind.FILE, 0o4755, 33, 99, 7, 10**30),
        Entry("pipe", Kind.FIFO, 0o600, 1, 1, 0, -1),
    )
    passwd = {"etc/passwd": b"root:x:0:0\nwww:x:33:33\nwww2:x:33:33\nbad\n:x:1:\nx:x:many:\n"}
    accounts = stack_of_files([{**passwd, "etc/group": b"tty:x:5:\n"}])
    owners = Owners.of(accounts)
    stack = stack_of([Listing(Digest.of(b""), entries, 0)])
    nodes = contents(stack, open_view(stack), "/")
    text = directory.as_text(stack, nodes, owners, Paper(), whole_paths=True)
    check("cli/inside-devices.txt", text)
    late, null, pipe = directory.as_json(stack, nodes, owners)
    assert (late["mtime"], null["device"], pipe["mtime"]) == (
        None,
        [1, 3],
        "1969-12-31T23:59:59.999999999Z",
    )
    assert (late["user"], late["group"], null["group"]) == ("www", None, "tty")


def test_nothing_is_an_empty_text() -> None:
    empty = stack_of([listing("d d")])
    view = open_view(empty)
    nodes = contents(empty, view, "d")
    assert directory.as_text(empty, nodes, Owners({}, {}), Paper(), whole_paths=False) == ""
    assert blame_report.as_text(stack_of([]), [], Paper(), every=False) == ""
