"""Layers that other images show bytes of."""

from __future__ import annotations

from lamina.explain.stack import image_stack
from lamina.repack.sharing import Sharer, sharers
from lamina.store.contract import Image, Store
from tests.fakes.images import make_image

BASE = {"bin/sh": b"x" * 50, "etc/a": b"a" * 7}
MIDDLE = {"srv/big": b"b" * 100}
TOP = {"srv/.wh.big": b"", "etc/a": b"changed"}


def found(store: Store, image: Image) -> dict[int, Sharer]:
    return dict(sharers(store, image, image_stack(store, image)))


def test_an_image_that_shows_the_bytes_needs_the_layer(store: Store) -> None:
    make_image(store, "base:1", BASE)
    image = make_image(store, "app:1", BASE, MIDDLE, TOP)
    assert found(store, image) == {0: Sharer("base:1", 7)}


def test_an_image_that_hides_the_same_bytes_does_not(store: Store) -> None:
    image = make_image(store, "app:1", BASE, MIDDLE, TOP)
    make_image(store, "app:2", BASE, MIDDLE, TOP, {"new": b"1"})
    assert found(store, image) == {}


def test_neither_does_one_without_a_name_or_the_image_itself(store: Store) -> None:
    make_image(store, None, BASE, MIDDLE)
    make_image(store, "again:1", BASE, MIDDLE, TOP)
    image = make_image(store, "app:1", BASE, MIDDLE, TOP)
    assert found(store, image) == {}


def test_each_layer_has_the_smallest_image_that_needs_it(store: Store) -> None:
    make_image(store, "large:1", BASE, MIDDLE, {"x": b"1"}, {"y": b"2"})
    make_image(store, "half:1", BASE, MIDDLE)
    make_image(store, "base:1", BASE)
    image = make_image(store, "app:1", BASE, MIDDLE, TOP)
    assert found(store, image) == {0: Sharer("base:1", 7), 1: Sharer("half:1", 100)}


def test_layers_of_the_base_stay_also_when_it_hides_the_bytes_itself(store: Store) -> None:
    make_image(store, "base:1", BASE, MIDDLE, TOP)
    image = make_image(store, "app:1", BASE, MIDDLE, TOP, {"new": b"1"})
    assert found(store, image) == {0: Sharer("base:1", 0), 1: Sharer("base:1", 0)}
