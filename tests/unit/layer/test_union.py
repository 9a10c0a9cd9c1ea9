"""The merged view of many layers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import LinkLoop, Union
from lamina.oci.digest import Digest
from tests.unit.layer.stacks import Model, listing, stacks


def hidden(union: Union) -> list[tuple[str, int, int, int, str]]:
    return [(h.path, h.size, h.layer, h.hidden_by, h.cause.value) for h in union.hidden]


def paths(union: Union) -> list[str]:
    return [found.entry.path for found in union.walk()]


@pytest.mark.parametrize(
    ("layers", "seen", "lost"),
    [
        pytest.param(
            [listing("f a 1"), listing("w a")], [], [("a", 1, 0, 1, "deleted")], id="whiteout"
        ),
        pytest.param(
            [listing("d d", "f d/a 1", "f d/e/b 2"), listing("w d")],
            [],
            [("d/e/b", 2, 0, 1, "deleted"), ("d/a", 1, 0, 1, "deleted")],
            id="whiteout-of-a-directory",
        ),
        pytest.param([listing("f a 1"), listing("w b")], ["a"], [], id="dangling-whiteout"),
        pytest.param(
            [listing("f d/a 1"), listing("f d/b 2", "o d")],
            ["d", "d/b"],
            [("d/a", 1, 0, 1, "opaque")],
            id="opaque-behind-its-own-entries",
        ),
        pytest.param(
            [listing("f a 1 x"), listing("f a 1 y")],
            ["a"],
            [("a", 1, 0, 1, "overwritten")],
            id="overwritten",
        ),
        pytest.param(
            [listing("f a 1 x"), listing("f a 1 x")],
            ["a"],
            [("a", 1, 0, 1, "duplicated")],
            id="same-content",
        ),
        pytest.param(
            [listing("f a 1"), listing("f a 1")],
            ["a"],
            [("a", 1, 0, 1, "overwritten")],
            id="unknown-content-is-not-called-the-same",
        ),
        pytest.param(
            [listing("f d/a 1", "f d/b 2"), listing("f d 3")],
            ["d"],
            [("d/b", 2, 0, 1, "replaced"), ("d/a", 1, 0, 1, "replaced")],
            id="file-over-directory",
        ),
        pytest.param(
            [listing("f d 3"), listing("f d/a 1")],
            ["d", "d/a"],
            [("d", 3, 0, 1, "replaced")],
            id="directory-over-file",
        ),
        pytest.param(
            [listing("f a 1"), listing("l a -> b")],
            ["a"],
            [("a", 1, 0, 1, "replaced")],
            id="link-over-file",
        ),
        pytest.param(
            [listing("f a 1", "f a 2")], ["a"], [("a", 1, 0, 0, "superseded")], id="named-twice"
        ),
        pytest.param(
            [listing("f d/a 1", "f d 2", "f e 3")],
            ["d", "e"],
            [("d/a", 1, 0, 0, "superseded")],
            id="directory-replaced-in-its-own-layer",
        ),
        pytest.param(
            [listing("f d/low 4"), listing("f d 2", "d d", "f d/a 1")],
            ["d", "d/a", "d/low"],
            [("d", 2, 1, 1, "superseded")],
            id="only-what-is-left-of-a-layer-covers-lower-ones",
        ),
        pytest.param(
            [listing("f a 1"), listing("w a", "f a 2")],
            ["a"],
            [("a", 1, 0, 1, "deleted")],
            id="whiteout-before-its-entry",
        ),
        pytest.param(
            [listing("d d", "f d/a 1"), listing("d d", "f d/b 2", "w d")],
            ["d", "d/b"],
            [("d/a", 1, 0, 1, "deleted")],
            id="directory-made-anew",
        ),
        pytest.param(
            [listing("f a 1"), listing("w a"), listing("f a 2")],
            ["a"],
            [("a", 1, 0, 1, "deleted")],
            id="back-again",
        ),
        pytest.param(
            [listing("f a 5", "h b = a"), listing("w a")], ["b"], [], id="other-name-is-left"
        ),
        pytest.param(
            [listing("f a 5", "h b = a", "h c = b"), listing("w a"), listing("w b", "w c")],
            [],
            [("a", 5, 0, 2, "deleted")],
            id="last-name-gone",
        ),
        pytest.param(
            [listing("f a 5", "h b = a", "f a 1")], ["a", "b"], [], id="link-keeps-older-content"
        ),
        pytest.param(
            [listing("f a/b 1"), listing("w a/b", "f a 2", "d a")],
            ["a", "a/b"],
            [("a", 2, 1, 1, "superseded")],
            id="a-marker-goes-with-its-directory",
        ),
        pytest.param([listing("f .wh..wh.plnk 0"), listing("f a 1")], ["a"], [], id="aufs-record"),
    ],
)
def test_a_layer_over_another(
    layers: list[Listing], seen: list[str], lost: list[tuple[str, int, int, int, str]]
) -> None:
    union = Union.of(layers)
    assert paths(union) == seen
    assert hidden(union) == lost


def test_the_place_where_files_were_hidden_is_told() -> None:
    lower = listing("f d/e/a 1", "f o/p/b 1", "f r/c 1", "f x 1")
    union = Union.of([lower, listing("w d", "o o", "f r 0", "f x 0")])
    assert {(h.path, h.at) for h in union.hidden} == {
        ("d/e/a", "d"),
        ("o/p/b", "o"),
        ("r/c", "r"),
        ("x", "x"),
    }


def test_content_on_a_whiteout_marker_is_nobody_s() -> None:
    marker = Entry(".wh.a", Kind.FILE, 0o644, 0, 0, 7, 0)
    union = Union.of([Listing(Digest.of(b""), (marker,), 2048)])
    assert hidden(union) == [(".wh.a", 7, 0, 0, "superseded")]


def test_a_directory_over_a_directory_merges_and_shows_its_own_metadata() -> None:
    upper = Entry("d", Kind.DIRECTORY, 0o700, 5, 5, 0, 9)
    union = Union.of([listing("d d", "f d/a 1"), Listing(Digest.of(b""), (upper,), 1536)])
    assert union.get("d") == (1, upper)
    assert union.children("d") == ["a"]
    assert union.children("d/a") == union.children("nowhere") == []


def test_parents_without_an_entry_are_directories_and_keep_those_below() -> None:
    union = Union.of([listing("d d", "f x/y/z 1"), listing("f d/a 1")])
    found = union.get("x/y")
    assert found is not None
    assert (found.entry.kind, found.entry.mode, found.layer) == (Kind.DIRECTORY, 0o755, 0)
    under = union.get("d")
    assert under is not None and under.layer == 0


def test_content_is_found_through_hard_links() -> None:
    union = Union.of([listing("f a 5", "h b = a", "h c = b", "f a 1", "l s -> a", "d d")])
    for path in ("b", "c"):
        found = union.content(path)
        assert found is not None and (found.entry.path, found.entry.size) == ("a", 5)
    now = union.content("a")
    assert now is not None and now.entry.size == 1
    links = Union.of([listing("l a -> c", "h b = a", "h a = b")])
    assert links.content("a") is links.content("b") is None
    assert union.content("s") is union.content("d") is union.content("x") is None


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", ""),
        ("bin/sh", "usr/bin/dash"),
        ("/bin/../lib", "usr/lib"),
        ("../../etc//./passwd", "etc/passwd"),
        ("up/x", "x"),
        ("abs/y", "usr/bin/y"),
        ("new/dir/file", "new/dir/file"),
        ("bin/new", "usr/bin/new"),
        ("dangling", "not/there"),
        ("etc/passwd/x", "etc/passwd/x"),
    ],
)
def test_links_are_followed_inside_the_root(path: str, leads_to: str) -> None:
    union = Union.of(
        [
            listing("l bin -> usr/bin", "d usr/bin", "d usr/lib", "f usr/bin/dash 9"),
            listing("l usr/bin/sh -> dash", "f etc/passwd 1", "l up -> ../../.."),
            listing("l abs -> /bin/.", "l dangling -> not/there"),
        ]
    )
    assert union.resolve(path) == leads_to


def test_the_last_link_is_not_followed_on_request() -> None:
    union = Union.of([listing("l bin -> usr/bin", "l usr/bin/sh -> dash")])
    assert union.resolve("bin/sh", follow=False) == "usr/bin/sh"
    assert union.resolve("bin", follow=False) == "bin"


def test_a_circle_of_links_is_an_error() -> None:
    union = Union.of([listing("l a -> b", "l b -> a")])
    with pytest.raises(LinkLoop, match="too many levels of symbolic links in 'a/x'"):
        union.resolve("a/x")


@settings(max_examples=400, deadline=None)
@given(stacks)
def test_the_view_is_that_of_a_file_system(layers: list[Listing]) -> None:
    union = Union.of(layers)
    expected = {path: (node.kind, node.size) for path, node in Model.of(layers).tree().items()}
    seen = {}
    for _, entry in union.walk():
        content = union.content(entry.path)
        kind = entry.kind
        if kind is Kind.HARDLINK:
            kind = Kind.FILE if content else Kind.SYMLINK
        seen[entry.path] = (kind, content.entry.size if content else 0)
    assert seen == expected


def test_a_file_that_lost_its_own_name_keeps_its_content() -> None:
    union = Union.of([listing("f a 5 x", "h b = a"), listing("w a"), listing("w b")])
    assert [(gone.path, gone.hidden_by, gone.at) for gone in union.parted] == [("a", 1, "a")]
    assert [(gone.path, gone.hidden_by) for gone in union.hidden] == [("a", 2)]


def test_every_name_means_a_file() -> None:
    below = listing("f a 5 x", "h b = a", "h c = b", "l d -> a")
    union = Union.of([below])
    file = below.entries[0]
    assert [union.file_of(each) for each in below.entries] == [file, file, file, None]


def test_directories_that_no_entry_makes_may_be_as_deep_as_a_path_is_long() -> None:
    deep = "/".join("d" * 2047)
    union = Union.of([listing(f"f {deep} 7"), listing(f"w {deep[:-2]}")])
    assert hidden(union) == [(deep, 7, 0, 1, "deleted")]
    assert len(paths(union)) == 2045


def test_twenty_layers_of_five_thousand_entries_merge_quickly() -> None:
    layers = []
    for layer in range(20):
        entries = [Entry(f"usr/d{d}", Kind.DIRECTORY, 0o755, 0, 0, 0, 0) for d in range(50)]
        entries += [
            Entry(f"usr/d{n % 50}/f{n * (layer + 1) % 40_000}", Kind.FILE, 0o644, 0, 0, n, 0)
            for n in range(4950)
        ]
        layers.append(Listing(Digest.of(b"%d" % layer), tuple(entries), 0))
    fastest = min(_timed(layers) for _ in range(3))
    assert fastest < 1.0, "it takes about 0.15 s on an idle machine"


def _timed(layers: list[Listing]) -> float:
    start = time.monotonic()
    union = Union.of(layers)
    assert union.hidden
    return time.monotonic() - start


def test_the_root_may_have_an_entry_in_every_layer() -> None:
    root = Entry("", Kind.DIRECTORY, 0o700, 1, 2, 0, 0)
    layers = [listing("f a 1"), listing("f b/c 2")]
    layers = [Listing(each.diff_id, (root, *each.entries), each.tar_size) for each in layers]
    union = Union.of(layers)
    assert paths(union) == ["a", "b", "b/c"]
    assert union.children("") == ["a", "b"]
    found = union.get("")
    assert found is not None and found.entry is root
