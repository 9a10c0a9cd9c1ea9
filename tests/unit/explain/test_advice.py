"""What can be seen and is probably not wanted."""

from __future__ import annotations

import pytest
from hypothesis import given

from lamina.explain.advice import SMALLEST_DUPLICATE, Advice, advise
from lamina.explain.unwanted import DUPLICATES, KINDS
from lamina.layer.contract import Listing
from tests.fakes.stacks import stack_of
from tests.unit.layer.stacks import listing, stacks

BIG = SMALLEST_DUPLICATE


def advice(*layers: Listing) -> dict[str, Advice]:
    return {each.kind: each for each in advise(stack_of(layers))}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/apt/lists/deb.debian.org_Packages", "apt-lists"),
        ("var/cache/apt/archives/curl.deb", "apt-cache"),
        ("var/cache/apk/APKINDEX.tar.gz", "apk-cache"),
        ("var/cache/yum/x86_64/a.rpm", "dnf-cache"),
        ("root/.cache/pip/http/a", "python-cache"),
        ("home/ann/.cache/pip/http/a", "python-cache"),
        ("root/.npm/_cacache/index", "node-cache"),
        ("app/node_modules/.cache/babel/x.json", "node-cache"),
        ("go/pkg/mod/github.com/a.go", "go-cache"),
        ("usr/local/cargo/registry/index/a", "cargo-cache"),
        ("root/.m2/repository/a.jar", "java-cache"),
        ("var/log/dpkg.log", "logs"),
        ("tmp/download.zip", "temporary"),
        ("tmp/checkout/.git/HEAD", "temporary"),
        ("usr/share/doc/bash/README", "docs"),
        ("usr/share/man/man1/ls.1.gz", "docs"),
        ("usr/share/locale/de/LC_MESSAGES/a.mo", "locales"),
        ("srv/app/.git/objects/ab/cd", "version-control"),
        ("app/__pycache__/a.cpython-311.pyc", "bytecode"),
        ("app/a.pyc", "bytecode"),
        ("usr/lib/libz.a", "build-leftovers"),
        ("src/main.o", "build-leftovers"),
        ("srv/heap.hprof", "core-dumps"),
    ],
)
def test_every_kind_is_known_by_its_place_or_name(path: str, kind: str) -> None:
    found = advice(listing(f"f {path} 10"))
    assert [(each.kind, each.bytes, each.files) for each in found.values()] == [(kind, 10, 1)]
    assert found[kind].examples[0].path == path


@pytest.mark.parametrize(
    "path",
    [
        "usr/share/doc/bash/copyright",  # a licence may ask for its text
        "var/lib/apt/extended_states",
        "usr/lib/locale/C.utf8/LC_CTYPE",  # the C library reads it
        "tmpfile",
        "a",  # a name, no suffix
        ".o",
        "usr/lib/python3/dist-packages/a.egg-info/METADATA",  # importlib.metadata reads it
        "usr/bin/core",  # too small for a dump
        "opt/x.core/y",
    ],
)
def test_what_an_image_needs_is_left_alone(path: str) -> None:
    assert advice(listing(f"f {path} 1000")) == {}


@pytest.mark.parametrize("path", ["core", "srv/core", "core.4711"])
def test_a_large_core_is_a_dump(path: str) -> None:
    assert advice(listing(f"f {path} 2000000"))["core-dumps"].bytes == 2_000_000


def test_what_is_hidden_is_no_advice() -> None:
    layers = [listing("f var/log/a 5", "f var/log/b 7"), listing("w var/log/a")]
    found = advice(*layers)["logs"]
    assert (found.files, found.bytes, found.layers) == (1, 7, {0: 7})


def test_bytes_are_told_by_layer_the_largest_first() -> None:
    layers = [listing("f var/log/a 5", "f usr/share/doc/x 100"), listing("f var/log/b 9")]
    assert [each.kind for each in advise(stack_of(layers))] == ["docs", "logs"]
    found = advice(*layers)["logs"]
    assert found.layers == {0: 5, 1: 9}
    assert [(each.path, each.layer) for each in found.examples] == [
        ("var/log/b", 1),
        ("var/log/a", 0),
    ]


def test_a_content_with_several_names_counts_once() -> None:
    found = advice(listing("f var/log/a 5", "h var/log/b = var/log/a"))["logs"]
    assert (found.files, found.bytes) == (1, 5)


def test_a_content_that_has_a_name_elsewhere_is_wanted() -> None:
    assert advice(listing("f var/log/a 5", "h srv/a = var/log/a")) == {}
    assert advice(listing("f srv/a 5", "h var/log/a = srv/a")) == {}


def test_a_content_goes_by_the_name_that_can_be_seen() -> None:
    layers = [listing("f srv/a 5", "h var/log/a = srv/a"), listing("w srv/a")]
    assert [each.path for each in advice(*layers)["logs"].examples] == ["var/log/a"]


def test_duplicates_are_all_copies_but_one() -> None:
    layers = [
        listing(f"f a/x {BIG} same", f"f a/y {BIG} same", f"f a/other {BIG} other"),
        listing(f"f b/z {BIG} same"),
    ]
    found = advice(*layers)["duplicates"]
    assert (found.files, found.bytes, found.layers) == (2, 2 * BIG, {0: BIG, 1: BIG})
    assert [(each.path, each.twin) for each in found.examples] == [("a/y", "a/x"), ("b/z", "a/x")]


@pytest.mark.parametrize(
    "layer",
    [
        listing(f"f a {BIG} same", "h b = a"),  # one content
        listing(f"f a {BIG} same", f"f var/log/a {BIG} same"),  # counted as a log
        listing(f"f a {BIG - 1} same", f"f b {BIG - 1} same"),  # too small to matter
        listing(f"f a {BIG}", f"f b {BIG}"),  # nobody knows their content
    ],
)
def test_what_is_no_duplicate(layer: Listing) -> None:
    assert "duplicates" not in advice(layer)


def test_a_deep_path() -> None:
    deep = "/".join(["d"] * 2000)
    assert advice(listing(f"f {deep}/.git/a 3", "f var/log/x 4")).keys() == {
        "version-control",
        "logs",
    }


def test_kinds_have_words_of_their_own_and_say_what_to_do() -> None:
    kinds = [*KINDS, DUPLICATES]
    assert len({each.kind for each in kinds}) == len(kinds)
    assert all(each.what and each.instead for each in kinds)


@given(stacks)
def test_advice_is_visible_and_counts_nothing_twice(layers: list[Listing]) -> None:
    stack = stack_of(layers)
    assert sum(each.bytes for each in advise(stack)) <= stack.account.visible_bytes
