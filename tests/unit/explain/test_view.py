"""The three views of a stack: merged, one layer alone, what is hidden."""

from __future__ import annotations

import pytest
from hypothesis import given

from lamina.explain.stack import NoSuchLayer
from lamina.explain.view import (
    NoSuchPath,
    WrongKind,
    contents,
    file_at,
    nodes_at,
    open_view,
)
from lamina.layer.contract import Listing
from lamina.layer.entry import Kind
from lamina.layer.union import Cause, LinkLoop, Union
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing, stacks

STACK = stack_of(
    [
        listing(
            "d etc",
            "f etc/a 10 one",
            "f etc/b 20 two",
            "h etc/c = etc/b",
            "l bin -> usr/bin",
            "f usr/bin/sh 5 sh",
            "l loop -> loop",
            "l dangling -> nowhere",
        ),
        listing("d etc", "f etc/a 10 one", "w etc/b"),
        listing("w etc/a", "f usr/bin/dash 7 dash"),
    ]
)


def shown(*arguments: str, layer: str | None = None, hidden: bool = False) -> list[str]:
    (path,) = arguments
    view = open_view(STACK, layer=layer, hidden=hidden)
    return [
        f"{node.path} {STACK.label(node.layer)}"
        + (f" {node.hidden.cause.value} {node.hidden.hidden_by + 1}" if node.hidden else "")
        for node in contents(STACK, view, path)
    ]


def test_the_merged_tree() -> None:
    assert shown("/etc") == ["etc/c 1"]
    assert shown("bin/../bin/") == ["usr/bin/dash 3", "usr/bin/sh 1"]
    assert shown("/bin/sh") == ["usr/bin/sh 1"]
    assert shown("/dangling") == ["dangling 1"]
    assert nodes_at(STACK, open_view(STACK), "/")[0].path == ""


def test_one_layer_alone_has_its_markers_and_what_became_of_it() -> None:
    assert shown("/etc", layer="1") == ["etc/a 1 duplicated 2", "etc/b 1", "etc/c 1"]
    assert shown("/etc", layer="2") == ["etc/.wh.b 2", "etc/a 2 deleted 3"]
    assert shown("/bin", layer="3") == ["usr/bin/dash 3"], "the link is another layer's"
    with pytest.raises(NoSuchLayer):
        open_view(STACK, layer="4")


def test_what_is_hidden_the_newest_first() -> None:
    assert shown("/etc", hidden=True) == ["etc/a 2 deleted 3", "etc/a 1 duplicated 2"]
    assert shown("/etc", hidden=True, layer="1") == ["etc/a 1 duplicated 2"]
    (etc,) = contents(STACK, open_view(STACK, hidden=True), "/")
    assert (etc.path, etc.hidden) == ("etc", None), "seen, and something in it is not"


def test_a_hard_link_is_the_file_it_is_a_name_of() -> None:
    (node,) = nodes_at(STACK, open_view(STACK), "/etc/c")
    assert (node.entry.kind, node.inode.path, node.inode.size) == (Kind.HARDLINK, "etc/b", 20)
    view = open_view(stack_of([listing("l a -> x", "h b = a", "h c = b")]))
    assert view.at("c")[0].inode.link == "x"


@pytest.mark.parametrize(
    ("path", "says", "hint"),
    [
        ("/etc/cc", "no /etc/cc in demo:latest", "similar there: /etc/c"),
        ("/etc/c/x", "no /etc/c/x in demo:latest: /etc/c is not a directory", ""),
        ("etc/a", "no /etc/a in demo:latest: layer 3 hides it", "--hidden shows what cannot be"),
        ("/dangling", "no /dangling in demo:latest", "similar there: /dangling"),
    ],
)
def test_what_is_not_there_is_told(path: str, says: str, hint: str) -> None:
    with pytest.raises(NoSuchPath) as caught:
        nodes_at(STACK, open_view(STACK), path)
    assert str(caught.value) == says
    assert caught.value.hint.startswith(hint)


def test_only_files_have_content() -> None:
    view = open_view(STACK)
    assert file_at(STACK, view, "/bin/sh").inode.size == 5
    with pytest.raises(WrongKind, match="is a directory"):
        file_at(STACK, view, "/etc")
    with pytest.raises(LinkLoop):
        file_at(STACK, view, "/loop")
    newest = file_at(STACK, open_view(STACK, hidden=True), "/etc/a")
    assert STACK.label(newest.layer) == "2"
    with pytest.raises(NoSuchPath, match="no /bin/sh among what demo:latest hides"):
        file_at(STACK, open_view(STACK, hidden=True), "/bin/sh")
    with pytest.raises(NoSuchPath, match="no /bin/sh in layer 2 of demo:latest"):
        file_at(STACK, open_view(STACK, layer="2"), "/bin/sh")


@given(stacks)
def test_the_merged_view_is_the_union(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    walked = [(node.layer, node.entry) for node in open_view(stack).walk("")]
    assert walked == list(Union.of(layers).walk())


@given(stacks)
def test_what_is_hidden_is_every_hidden_byte(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    nodes = [node for node in open_view(stack, hidden=True).walk("") if node.hidden]
    contents = [node for node in nodes if node.entry.kind is Kind.FILE]
    assert sum(node.entry.size for node in contents) == stack.account.hidden_bytes
    assert not [node for node in nodes if node.hidden and node.hidden.cause is Cause.MERGED]


@given(stacks)
def test_a_layer_alone_is_all_it_ships(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    for place, each in enumerate(layers):
        view = open_view(stack, layer=stack.label(place))
        named = {node.path for node in view.walk("")}
        markers = {entry.path for entry in each.entries if entry.is_marker}
        tree = {entry.path for _, entry in Union.of([each]).walk()}
        assert named >= tree | markers
        above = {path.rpartition("/")[0] for path in markers}
        assert all(path in tree | markers or path in above or _leads(path, above) for path in named)


def _leads(path: str, directories: set[str]) -> bool:
    return any(each.startswith(f"{path}/") for each in directories)
