"""`lamina slim --base IMAGE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.store.contract import Store
from tests.fakes.images import make_image
from tests.unit.cli.conftest import Lamina

BASE = {"big": b"b" * 5000, "etc/passwd": b"root:x:0:0::/:\n"}


@pytest.fixture
def app(store: Store) -> Store:
    make_image(store, "base:1", BASE)
    make_image(store, "small:1", {"s": b"s" * 100})
    make_image(store, "app:1", BASE, {"srv/data": b"d" * 50})
    return store


def test_the_images_of_the_store_are_the_candidates(app: Store, lamina: Lamina) -> None:
    status, out, err = lamina("slim", "--base", "app:1")
    assert (status, err) == (0, "")
    assert "stands on base:1: 5.0 kB, and has 50 B of its own" in out
    assert "small:1" in out and "holds all" in out and "FROM small:1" in out


def test_named_candidates_each_once_and_one_that_is_not_there(app: Store, lamina: Lamina) -> None:
    call = ("slim", "--base", "app:1", "--format", "json", "--candidate", "base:1")
    status, out, _ = lamina(*call, "--candidate", "none:1", "--candidate", "base:1")
    document = json.loads(out)
    assert status == 0
    assert [each["name"] for each in document["candidates"]] == ["base:1"]
    assert [each["name"] for each in document["unread"]] == ["none:1"]


def test_a_list_of_candidates(app: Store, lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# smaller ones\n\n  small:1  # this\n")
    status, out, _ = lamina("slim", "--base", "app:1", "--candidates", str(tmp_path / "list"))
    assert status == 0 and "FROM small:1" in out


def test_when_no_candidate_can_be_read_it_fails(app: Store, lamina: Lamina) -> None:
    status, out, _ = lamina("slim", "--base", "app:1", "--candidate", "docker://127.0.0.1:1/x")
    assert status == 1 and "docker://127.0.0.1:1/x cannot be read" in out


def test_without_candidates(store: Store, lamina: Lamina) -> None:
    make_image(store, "app:1", BASE)
    status, out, _ = lamina("slim", "--base", "app:1")
    assert status == 0 and "--candidate NAME" in out and "base cannot be told" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--base"], "name an image"),
        (["--base", "app:1", "-t", "x"], "--tag belongs to"),
        (["app:1", "--candidate", "x", "-t", "y"], "--candidate belongs to --base"),
        (["--base", "app:1", "--candidates", "/not/there"], "/not/there"),
    ],
)
def test_wrong_calls(app: Store, lamina: Lamina, arguments: list[str], said: str) -> None:
    status, _, err = lamina("slim", *arguments)
    assert status == 2 and said in err
