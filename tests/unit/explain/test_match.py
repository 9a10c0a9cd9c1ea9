"""find's tests, held against fnmatch and against what find itself does."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.explain.match import BadTest, Matcher, Permissions, Size, select
from lamina.explain.view import Node, open_view
from lamina.layer.entry import Entry, Kind
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing

_TEXTS = st.text("ab*?[]!-.\n\\", max_size=5)


def node(path: str = "a", kind: Kind = Kind.FILE, mode: int = 0o644, size: int = 0) -> Node:
    entry = Entry(path, kind, mode, 0, 0, size, 0)
    return Node(path, entry, entry, 0)


@given(_TEXTS, st.lists(_TEXTS, min_size=1, max_size=3))
def test_names_match_as_fnmatch_has_it(name: str, globs: list[str]) -> None:
    expected = any(fnmatchcase(name, glob) for glob in globs)
    assert Matcher(names=globs).passes(node(f"dir/{name}")) == expected


@given(_TEXTS, _TEXTS)
def test_paths_match_whole(name: str, glob: str) -> None:
    assert Matcher(paths=[glob]).passes(node(name)) == fnmatchcase(f"/{name}", glob)


@pytest.mark.parametrize(
    ("text", "size", "holds"),
    [
        ("+10M", 10 << 20, False),
        ("+10M", (10 << 20) + 1, True),
        ("-1k", 1023, True),
        ("-1k", 1024, False),
        ("0", 0, True),
        ("12c", 12, True),
        ("+1kB", 1001, True),
        ("+1kB", 1000, False),
        ("1T", 1 << 40, True),
    ],
)
def test_sizes(text: str, size: int, holds: bool) -> None:
    assert Matcher(size=Size.parse(text)).passes(node(size=size)) is holds
    assert not Matcher(size=Size.parse(text)).passes(node(kind=Kind.DIRECTORY))


@pytest.mark.parametrize(
    ("text", "mode", "holds"),
    [
        ("644", 0o644, True),
        ("644", 0o4644, False),
        ("-4000", 0o4755, True),
        ("-6000", 0o4755, False),
        ("/6000", 0o4755, True),
        ("/222", 0o444, False),
        ("/0", 0o444, True),
        ("-0", 0o444, True),
    ],
)
def test_permissions(text: str, mode: int, holds: bool) -> None:
    assert Matcher(permissions=Permissions.parse(text)).passes(node(mode=mode)) is holds


@pytest.mark.parametrize("text", ["", "10X", "ten", "+-3", "1.5M", "1kb"])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(BadTest, match="not a size"):
        Size.parse(text)


@pytest.mark.parametrize("text", ["", "8", "u+s", "77777", "+1"])
def test_what_are_no_permissions_is_told(text: str) -> None:
    with pytest.raises(BadTest, match="not permissions"):
        Permissions.parse(text)


def test_types_and_markers() -> None:
    view = open_view(stack_of([listing("d a", "f a/x 1", "l a/l -> x", "h a/h = a/x", "w a/y")]))

    def found(*types: str) -> list[str]:
        return [each.path for each in select(view.walk(""), Matcher(types=types), hidden=False)]

    assert found("f") == ["a/h", "a/x"]
    assert found("l", "d") == ["a", "a/l"]
    layer = open_view(stack_of([listing("f a/x 1", "w a/y")]), layer="1")
    markers = select(layer.walk(""), Matcher(types=["w"]), hidden=False)
    assert [each.path for each in markers] == ["a/.wh.y"]
    files = select(layer.walk(""), Matcher(types=["f"]), hidden=False)
    assert [each.path for each in files] == ["a/x"]
