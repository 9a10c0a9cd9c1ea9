"""`lamina slim IMAGE` and `lamina verify OLD NEW`."""

from __future__ import annotations

import json

import pytest

from lamina.store.contract import Store
from tests.fakes.images import make_image
from tests.unit.cli.conftest import Lamina

BASE = {"bin/sh": b"x" * 50, "etc/a": b"a" * 7}
BIG = {"srv/big": b"b" * 1000}
GONE = {"srv/.wh.big": b""}


@pytest.fixture
def app(store: Store) -> Store:
    make_image(store, "base:1", BASE)
    make_image(store, "app:1", BASE, BIG, GONE, {"etc/a": b"new"})
    return store


def test_slim_and_verify(app: Store, lamina: Lamina) -> None:
    status, out, err = lamina("slim", "app:1", "-t", "app:slim")
    assert (status, err) == (0, "")
    assert "app:1 → app:slim" in out
    assert "7 B stay hidden in layer 1, which base:1 has, too, and shows 7 B of them" in out
    status, out, _ = lamina("verify", "app:1", "app:slim")
    assert status == 0
    assert out.startswith("app:1 and app:slim show the same: 6 paths, tree sha256:")
    assert app.images.find("app:slim").layers[0] == app.images.find("app:1").layers[0]


def test_flatten_takes_all_of_it_out(app: Store, lamina: Lamina) -> None:
    status, out, _ = lamina("slim", "app:1", "--flatten", "-t", "flat", "--format", "json")
    document = json.loads(out)
    assert (status, document["hidden_bytes_left"]) == (0, 0)
    assert len(app.images.find("flat").layers) == 1
    assert lamina("verify", "-q", "app:1", "flat") == (0, "", "")


def test_squash_from_the_base(app: Store, lamina: Lamina) -> None:
    assert lamina("slim", "app:1", "--squash-from", "base", "-t", "two")[0] == 0
    assert lamina("slim", "app:1", "--squash-from", "2", "-t", "again")[0] == 0
    two, again = app.images.find("two"), app.images.find("again")
    assert len(two.layers) == 2
    assert two.config.digest == again.config.digest


def test_dry_run_makes_nothing(app: Store, lamina: Lamina) -> None:
    before = (list(app.layers), list(app.refs.rows()))
    status, out, _ = lamina("slim", "app:1", "--dry-run", "-t", "x")
    assert status == 0
    assert "would be 60 B: 1.0 kB less" in out
    assert (list(app.layers), list(app.refs.rows())) == before


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["slim"], 2, "name an image"),
        (["slim", "app:1"], 2, "name the new image with -t"),
        (["slim", "app:1", "-t", "x", "--flatten", "--squash-from", "1"], 2, "either --flatten or"),
        (["slim", "app:1", "-t", "Not:A:Name"], 1, "Not:A:Name"),
        (["slim", "app:1", "-t", "x", "--squash-from", "9"], 1, "no layer 9 in app:1"),
        (["slim", "app:1", "-t", "x", "--squash-from", "0"], 1, "no layer 0 in app:1"),
        (["slim", "app:1", "-t", "x", "--squash-from", "top"], 1, "no layer 'top' to squash from"),
        (["slim", "base:1", "-t", "x", "--squash-from", "base"], 1, "base of base:1 is not in"),
        (["slim", "nobody", "-t", "x"], 1, "no image nobody"),
        (["verify", "a", "b", "c"], 2, "two to compare"),
        (["verify", "app:1", "nobody"], 1, "nobody"),
    ],
)
def test_bad_input(
    app: Store, lamina: Lamina, arguments: list[str], status: int, said: str
) -> None:
    found, out, err = lamina(*arguments)
    assert (found, out) == (status, "")
    assert said in err
    assert "Traceback" not in err


def test_verify_says_where_two_differ(app: Store, lamina: Lamina) -> None:
    status, out, _ = lamina("verify", "base:1", "app:1")
    assert status == 3
    assert "changed    /etc/a   content" in out
    status, out, _ = lamina("verify", "base:1", "app:1", "--format", "json")
    assert (status, json.loads(out)["same"]) == (3, False)
