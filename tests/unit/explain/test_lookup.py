"""The search for a path, layer by layer."""

from __future__ import annotations

import pytest

from lamina.explain.lookup import Barrier, PathNotFound, Search, search
from lamina.layer.contract import Listing
from lamina.layer.union import LinkLoop, Union
from tests.unit.layer.stacks import listing


def told(found: Search) -> list[tuple[int, str, str, bool, bool]]:
    """(layer, kind, barrier at, reached, shown) of each step."""
    return [
        (
            step.layer,
            step.entry.kind.name.lower() if step.entry else "-",
            f"{step.barrier.value} {step.at}" if step.barrier else "",
            step.reached,
            step.shown,
        )
        for step in found.steps
    ]


@pytest.mark.parametrize(
    ("layers", "path", "steps"),
    [
        pytest.param(
            [listing("f a 1"), listing("f b 1"), listing("f a 2")],
            "/a",
            [
                (2, "file", "", True, True),
                (1, "-", "", False, False),
                (0, "file", "", False, False),
            ],
            id="the-topmost-is-found",
        ),
        pytest.param(
            [listing("f d/a 1"), listing("w d/a"), listing("f b 1")],
            "d/a",
            [
                (2, "-", "", True, False),
                (1, "-", "whiteout d/a", True, False),
                (0, "file", "", False, False),
            ],
            id="whiteout",
        ),
        pytest.param(
            [listing("f d/e/a 1"), listing("w d")],
            "d/e/a",
            [(1, "-", "whiteout d", True, False), (0, "file", "", False, False)],
            id="whiteout-of-a-directory-above",
        ),
        pytest.param(
            [listing("f d/a 1"), listing("d d", "o d")],
            "d/a",
            [(1, "-", "opaque d", True, False), (0, "file", "", False, False)],
            id="opaque",
        ),
        pytest.param(
            [listing("f d/a 1"), listing("f d 1")],
            "d/a",
            [(1, "-", "replaced d", True, False), (0, "file", "", False, False)],
            id="a-file-stands-above",
        ),
        pytest.param(
            [listing("f d/a 1"), listing("d d"), listing("f d/b 2")],
            "d",
            [
                (2, "directory", "", True, True),
                (1, "directory", "", True, True),
                (0, "directory", "", True, True),
            ],
            id="directories-merge",
        ),
        pytest.param(
            [listing("f d/a 1"), listing("f d/b 2", "o d")],
            "d",
            [(1, "directory", "opaque d", True, True), (0, "directory", "", False, False)],
            id="an-opaque-directory-does-not",
        ),
        pytest.param(
            [listing("f d 1"), listing("d d")],
            "d",
            [(1, "directory", "", True, True), (0, "file", "", True, False)],
            id="a-directory-over-a-file",
        ),
        pytest.param(
            [listing("f a 1"), listing("w a", "f a 2")],
            "a",
            [(1, "file", "whiteout a", True, True), (0, "file", "", False, False)],
            id="deleted-and-made-anew-in-one-layer",
        ),
    ],
)
def test_the_search_goes_down_until_something_ends_it(
    layers: list[Listing], path: str, steps: list[tuple[int, str, str, bool, bool]]
) -> None:
    assert told(search(Union.of(layers), path, name="x")) == steps


def test_links_lead_to_where_the_file_is() -> None:
    found = search(
        Union.of([listing("l bin -> usr/bin", "f usr/bin/sh 9"), listing("w usr/bin/sh")]),
        "bin/./sh",
        name="x",
    )
    assert (found.asked, found.path, found.found) == ("bin/sh", "usr/bin/sh", None)
    assert found.deleted_by is not None
    assert (found.deleted_by.layer, found.deleted_by.barrier) == (1, Barrier.WHITEOUT)


def test_the_last_link_is_what_was_asked_for() -> None:
    found = search(Union.of([listing("l a -> b", "f b 1")]), "a", name="x")
    assert found.path == "a" and found.found is not None and found.deleted_by is None


def test_a_directory_counts_what_each_layer_has_in_it() -> None:
    found = search(
        Union.of([listing("f d/a 1", "f d/e/b 2", "d d/f"), listing("f d/a 5")]), "d", name="x"
    )
    assert [(step.files, step.size) for step in found.steps] == [(1, 5), (2, 3)]


def test_a_hidden_name_may_have_another_that_is_seen() -> None:
    found = search(Union.of([listing("f a 5", "h b = a"), listing("w a")]), "a", name="x")
    assert [step.elsewhere for step in found.steps] == ["", "b"]
    gone = search(Union.of([listing("f a 5", "h b = a"), listing("w a", "w b")]), "b", name="x")
    assert [(step.elsewhere, step.size) for step in gone.steps] == [("", 0), ("", 5)]


def test_the_root_is_a_directory() -> None:
    found = search(Union.of([listing("f a 1")]), "/", name="x")
    assert [(step.files, step.shown) for step in found.steps] == [(1, True)]


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(PathNotFound, match="no layer of seed has /etc/passwdd") as caught:
        search(
            Union.of([listing("f etc/passwd 1"), listing("w etc/passwdd")]),
            "etc/passwdd",
            name="seed",
        )
    assert caught.value.hint == "similar there: /etc/passwd"


def test_a_circle_of_links_is_told() -> None:
    with pytest.raises(LinkLoop):
        search(Union.of([listing("l a -> b", "l b -> a")]), "a/x", name="x")
