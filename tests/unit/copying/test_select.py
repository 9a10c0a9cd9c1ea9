"""What sources of COPY stand for: paths, wildcards, --parents, --exclude; and their digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.context.directory import Context
from lamina.context.tree import Tree
from lamina.copying.filtered import Filtered
from lamina.copying.reading import Origin, content, nameless, read
from lamina.copying.select import NoSuchSource, select
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.wildcard import BadPattern
from lamina.layer.entry import Entry, Kind
from lamina.plan.graph import CopyOp, CopySource, Op

FILES = (
    "a.txt",
    "b.txt",
    "c.md",
    "a*b",
    "arr[0].txt",
    "dir/a.txt",
    "dir/sub/b.txt",
    "dir/sub/deep/c.txt",
    "dir2/a.txt",
    "dir2/x/b.txt",
    "dir.d/z",
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The files, each with its path as its content."""
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "gone").symlink_to("nowhere")
    return tmp_path


@pytest.fixture
def tree(place: Path) -> Context:
    """The files as a context."""
    return Context(place, Ignore())


def below(tree: Tree, directory: str) -> list[str]:
    """The paths of all that is in a directory; of directories too."""
    found: list[str] = []
    for entry in tree.children(directory):
        found.append(entry.path)
        found += below(tree, entry.path) if entry.kind is Kind.DIRECTORY else []
    return found


def chosen(tree: Tree, source: str) -> list[tuple[str, str]]:
    return [(each.name, each.entry.path) for each in select(tree, source)[1]]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a.txt", [("a.txt", "a.txt")]),
        ("/../a.txt", [("a.txt", "a.txt")]),
        ("dir/", [("dir", "dir")]),
        ("dir/.", [("dir", "dir")]),
        (".", [("", "")]),
        ("link", [("link", "dir")]),
        ("link/a.txt", [("a.txt", "dir/a.txt")]),
        ("link/*.txt", [("a.txt", "dir/a.txt")]),
        ("*.txt", [("a.txt", "a.txt"), ("arr[0].txt", "arr[0].txt"), ("b.txt", "b.txt")]),
        ("dir*/a.txt", [("a.txt", "dir/a.txt"), ("a.txt", "dir2/a.txt")]),
        ("dir*", [("dir", "dir"), ("dir.d", "dir.d"), ("dir2", "dir2")]),
        ("l*", [("link", "dir")]),
        ("l*/a.txt", []),
        ("**/a.txt", [("a.txt", "dir/a.txt"), ("a.txt", "dir2/a.txt")]),
        ("nosuch*", []),
        ("a.txt/*", []),
        # A wildcard is one, even when a file is called like it; an escape makes it none.
        ("arr[0].txt", []),
        ("arr[[]0].txt", [("arr[0].txt", "arr[0].txt")]),
        (r"a\*b", [("a*b", "a*b")]),
        (r"[a]\*b", [("a*b", "a*b")]),
    ],
)
def test_sources(tree: Context, source: str, found: list[tuple[str, str]]) -> None:
    assert chosen(tree, source) == found


def test_directories_come_before_what_their_names_begin(tree: Context) -> None:
    found = [path for _, path in chosen(tree, "dir*/*")]
    assert found == ["dir/a.txt", "dir/sub", "dir.d/z", "dir2/a.txt", "dir2/x"]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("a.text", "did you mean a.txt?"),
        ("dir/sup", "did you mean dir/sub?"),
        ("nodir/x", "there is no directory nodir"),
        ("a.txt/x", "there is no directory a.txt"),
        ("dirr/*", "did you mean dir?"),
        ("gone", ""),
        ("g*", ""),
    ],
)
def test_what_is_not_there(tree: Context, source: str, hint: str) -> None:
    with pytest.raises(NoSuchSource) as caught:
        select(tree, source)
    assert (caught.value.source, caught.value.hint) == (source, hint)


def test_a_pattern_that_is_none(tree: Context) -> None:
    with pytest.raises(BadPattern):
        select(tree, "a[")
    with pytest.raises(BadPattern):
        select(tree, "dir/[", parents=True)
    with pytest.raises(BadPattern):
        select(tree, "dir", exclude=["["])


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["*.txt"], ["dir/sub", "dir/sub/b.txt", "dir/sub/deep", "dir/sub/deep/c.txt"]),
        (["sub"], ["dir/a.txt"]),
        (["/sub/"], ["dir/a.txt"]),
        (["**/*.txt"], ["dir/sub", "dir/sub/deep"]),
        (["sub/*"], ["dir/a.txt", "dir/sub"]),
        (
            ["dir/sub"],
            ["dir/a.txt", "dir/sub", *[f"dir/sub/{x}" for x in ("b.txt", "deep", "deep/c.txt")]],
        ),
        (["sub", "!sub/deep"], ["dir/a.txt", "dir/sub", "dir/sub/deep", "dir/sub/deep/c.txt"]),
        (["**", "!sub/deep/*.txt"], ["dir/sub", "dir/sub/deep", "dir/sub/deep/c.txt"]),
        (["!a.txt", "*"], []),
        (
            [""],
            ["dir/a.txt", "dir/sub", *[f"dir/sub/{x}" for x in ("b.txt", "deep", "deep/c.txt")]],
        ),
    ],
)
def test_exclusion_is_relative_to_the_source(
    tree: Context, exclude: list[str], left: list[str]
) -> None:
    for source in ("dir", "link", "di[r]"):
        filtered, (found,) = select(tree, source, exclude=exclude)
        assert below(filtered, found.entry.path) == left


def test_a_directory_that_is_only_passed(tree: Context) -> None:
    filtered, _ = select(tree, "dir", exclude=["sub", "!sub/deep"])
    assert isinstance(filtered, Filtered)
    passed = {path for path in below(filtered, "dir") if filtered.passes(entry_at(tree, path))}
    assert passed == {"dir/sub"}


def entry_at(tree: Tree, path: str) -> Entry:
    found = tree.lookup(path)
    assert found is not None
    return found


def test_files_are_excluded_by_their_names(tree: Context) -> None:
    found = select(tree, "*.*", exclude=["*.txt", "dir.d"])[1]
    assert [each.name for each in found] == ["c.md", "dir.d"]
    assert select(tree, "a.txt", exclude=["a.txt"])[1] == []


@pytest.mark.parametrize(
    ("source", "roots", "left"),
    [
        ("dir/a.txt", [""], ["dir", "dir/a.txt"]),
        (
            "./dir/sub",
            [""],
            ["dir", "dir/sub", "dir/sub/b.txt", "dir/sub/deep", "dir/sub/deep/c.txt"],
        ),
        ("dir*/*.txt", [""], ["dir", "dir/a.txt", "dir2", "dir2/a.txt"]),
        (
            "dir/**/*.txt",
            [""],
            ["dir", "dir/a.txt", "dir/sub", "dir/sub/b.txt", "dir/sub/deep", "dir/sub/deep/c.txt"],
        ),
        ("dir/./sub/b.txt", ["dir"], ["dir/sub", "dir/sub/b.txt"]),
        ("dir/./sub/./deep", ["dir"], ["dir/sub", "dir/sub/deep", "dir/sub/deep/c.txt"]),
        ("d*[r2]/./a.txt", ["dir", "dir2"], ["dir/a.txt", "dir2/a.txt"]),
        ("link/./a.txt", ["dir"], ["dir/a.txt"]),
        (
            "dir/.",
            [""],
            [
                "dir",
                *[f"dir/{x}" for x in ("a.txt", "sub", "sub/b.txt", "sub/deep", "sub/deep/c.txt")],
            ],
        ),
        ("nosuch*/x", [""], []),
    ],
)
def test_parents(tree: Context, source: str, roots: list[str], left: list[str]) -> None:
    filtered, found = select(tree, source, parents=True)
    assert [each.entry.path for each in found] == roots
    assert [path for root in roots for path in below(filtered, root)] == left


def test_parents_of_all_is_all(tree: Context) -> None:
    for source in (".", "/", "dir/./."):
        filtered, (found,) = select(tree, source, parents=True)
        assert below(filtered, found.entry.path) == below(tree, found.entry.path) != []


@pytest.mark.parametrize("source", ["dir/nosuch", "dir/./nosuch", "nosuch/./a", "nosuch"])
def test_parents_of_what_is_not_there(tree: Context, source: str) -> None:
    with pytest.raises(NoSuchSource):
        select(tree, source, parents=True)


def test_parents_with_exclusion(tree: Context) -> None:
    filtered, _ = select(tree, "dir", parents=True, exclude=["**/deep", "dir/a.txt"])
    assert below(filtered, "") == ["dir", "dir/sub", "dir/sub/b.txt"]


# what is read, as a cache key has it


def key(place: Path, source: str, op: Op | None = None) -> str:
    tree = Context(place, Ignore())
    op = op or CopyOp((CopySource(source),), "/")
    return content(read(op, CopySource(source), Origin(lambda: tree))).hex


def test_what_is_excluded_does_not_count(place: Path) -> None:
    op = CopyOp((CopySource("dir"),), "/", exclude=("sub/b.txt",))
    before, all_before = key(place, "dir", op), key(place, "dir")
    (place / "dir/sub/b.txt").write_text("something else")
    assert key(place, "dir", op) == before
    assert key(place, "dir") != all_before
    (place / "dir/sub/deep/c.txt").write_text("something else")
    assert key(place, "dir", op) != before


def test_what_is_beside_the_pattern_does_not_count(place: Path) -> None:
    op = CopyOp((CopySource("dir/*.txt"),), "/", parents=True)
    before = key(place, "dir/*.txt", op)
    (place / "dir/sub/b.txt").write_text("something else")
    (place / "dir/more.md").write_text("more")
    assert key(place, "dir/*.txt", op) == before
    (place / "dir/more.txt").write_text("more")
    assert key(place, "dir/*.txt", op) != before


def test_a_key_has_no_path_but_what_is_done_with_it() -> None:
    plain = CopyOp((CopySource("a"), CopySource("b")), "/d")
    assert nameless(plain) == nameless(CopyOp((CopySource("c", 1), CopySource("d")), "/d"))
    assert nameless(plain) != nameless(
        CopyOp((CopySource("a", unpack=True), CopySource("b")), "/d")
    )
    parents = CopyOp((CopySource("a"),), "/d", parents=True)
    assert nameless(parents) == parents
