"""`tag` and `rmi`: names given and taken as Docker does."""

from __future__ import annotations

import os

import pytest

from lamina.oci.digest import Digest
from lamina.oci.reference import BadReference
from lamina.store.contract import Image, StepResult, Store
from lamina.store.errors import AmbiguousName, ImageInUse, ImageNotFound
from lamina.store.names import TagWithDigest, remove_image, tag
from tests.contract.container_store import start_of
from tests.fakes.images import make_image, make_record

BASE = {"bin/sh": b"x" * 100}


def names(store: Store) -> list[str]:
    return [row.reference.familiar if row.reference else "<none>" for row in store.refs.rows()]


def run(store: Store, image: Image, *, running: bool = False) -> None:
    """Make a container of the image; it runs as this very process."""
    me = os.getpid()
    store.containers.create(
        make_record(
            "box",
            image,
            status="running" if running else "exited",
            pid=me if running else 0,
            pid_started=start_of(me) if running else 0,
        )
    )


def test_tag_gives_another_name(store: Store) -> None:
    image = make_image(store, "debian:bookworm", BASE)
    row = tag(store, "debian:bookworm", "ghcr.io/me/debian:12")
    assert row.image_id == image.config.digest
    assert names(store) == ["debian:bookworm", "ghcr.io/me/debian:12"]
    assert store.images.find("ghcr.io/me/debian:12").config == image.config


def test_tag_by_id_moves_a_name(store: Store) -> None:
    make_image(store, "app:latest", BASE, author="old")
    new = make_image(store, "app:new", BASE, author="new")
    tag(store, new.config.digest.short, "app")
    assert store.images.find("app").config == new.config
    assert names(store) == ["<none>", "app:new", "app:latest"]


def test_tag_keeps_what_the_repository_knows_the_image_as(store: Store) -> None:
    known = f"debian@{Digest.of(b'index')}"
    make_image(store, "debian:bookworm", BASE, repo_digests=[known])
    assert tag(store, "debian:bookworm", "debian:12").repo_digests == (known,)
    assert tag(store, "debian:bookworm", "mine").repo_digests == ()


def test_bad_tags(store: Store) -> None:
    make_image(store, "a", BASE)
    with pytest.raises(ImageNotFound):
        tag(store, "nobody", "b")
    with pytest.raises(BadReference):
        tag(store, "a", "UPPER")
    with pytest.raises(TagWithDigest):
        tag(store, "a", f"b@{Digest.of(b'')}")
    assert names(store) == ["a:latest"]


def test_removing_the_last_name_removes_image_and_layers(store: Store) -> None:
    image = make_image(
        store, "debian:bookworm", BASE, repo_digests=[f"debian@{Digest.of(b'index')}"]
    )
    assert remove_image(store, "debian:bookworm") == [
        "Untagged: debian:bookworm",
        f"Untagged: debian@{Digest.of(b'index')}",
        f"Deleted: {image.config.digest}",
        f"Deleted: {image.layers[0]}",
    ]
    assert (list(store.layers), list(store.blobs), list(store.refs.rows())) == ([], [], [])


def test_removing_one_of_two_names_only_untags(store: Store) -> None:
    make_image(store, "a", BASE)
    tag(store, "a", "b")
    assert remove_image(store, "a") == ["Untagged: a:latest"]
    assert names(store) == ["b:latest"]
    assert store.images.find("b").layers


def test_a_shared_layer_stays(store: Store) -> None:
    one = make_image(store, "one", BASE, {"one": b"1"})
    two = make_image(store, "two", BASE, {"two": b"2"})
    lines = remove_image(store, "one")
    assert lines == [
        "Untagged: one:latest",
        f"Deleted: {one.config.digest}",
        f"Deleted: {one.layers[1]}",
    ]
    assert set(store.layers) == set(two.layers)


def test_by_id_all_names_of_one_repository_go(store: Store) -> None:
    image = make_image(store, "app:1", BASE)
    tag(store, "app:1", "app:2")
    lines = remove_image(store, image.config.digest.short)
    assert lines[:2] == ["Untagged: app:1", "Untagged: app:2"]
    assert names(store) == []


def test_by_id_several_repositories_need_force(store: Store) -> None:
    image = make_image(store, "one", BASE)
    tag(store, "one", "two")
    with pytest.raises(ImageInUse) as caught:
        remove_image(store, image.config.digest.short)
    assert "one:latest, two:latest" in str(caught.value)
    assert "rmi -f" in caught.value.hint
    assert names(store) == ["one:latest", "two:latest"]
    remove_image(store, image.config.digest.short, force=True)
    assert names(store) == []
    assert list(store.layers) == []


@pytest.mark.parametrize("by_name", [True, False])
def test_an_image_that_a_container_was_made_from_needs_force(store: Store, by_name: bool) -> None:
    image = make_image(store, "app", BASE)
    run(store, image)
    text = "app" if by_name else image.config.digest.short
    with pytest.raises(ImageInUse) as caught:
        remove_image(store, text)
    assert "container box (000000000000)" in str(caught.value)
    assert names(store) == ["app:latest"]
    assert remove_image(store, text, force=True) == ["Untagged: app:latest"]
    assert names(store) == (["<none>"] if by_name else [])
    assert store.containers.find("box").layers == image.layers
    assert set(store.layers) == set(image.layers)
    assert store.blobs.has(image.config.digest)
    store.containers.remove(f"{1:064x}")
    if by_name:
        assert remove_image(store, image.config.digest.short)[-1] == f"Deleted: {image.layers[0]}"


def test_a_running_containers_image_is_never_removed_by_id(store: Store) -> None:
    image = make_image(store, "app", BASE)
    run(store, image, running=True)
    with pytest.raises(ImageInUse, match="runs it"):
        remove_image(store, image.config.digest.short, force=True)
    assert names(store) == ["app:latest"]
    assert remove_image(store, "app", force=True) == ["Untagged: app:latest"]
    assert names(store) == ["<none>"]


def test_another_name_can_go_while_a_container_uses_the_image(store: Store) -> None:
    image = make_image(store, "app", BASE)
    tag(store, "app", "other")
    run(store, image, running=True)
    assert remove_image(store, "other") == ["Untagged: other:latest"]


def test_a_nameless_image_goes_by_id(store: Store) -> None:
    old = make_image(store, "app", BASE, author="old")
    make_image(store, "app", BASE, author="new")
    assert remove_image(store, old.config.digest.short) == [f"Deleted: {old.config.digest}"]
    assert names(store) == ["app:latest"]


def test_a_layer_that_the_build_cache_keeps_stays(store: Store) -> None:
    image = make_image(store, "app", BASE)
    store.steps.put(StepResult(Digest.of(b"key"), image.layers))
    assert remove_image(store, "app") == [
        "Untagged: app:latest",
        f"Deleted: {image.config.digest}",
    ]
    assert store.steps.get(Digest.of(b"key")) is not None


def test_removing_by_digest(store: Store) -> None:
    image = make_image(store, "app", BASE)
    lines = remove_image(store, f"app@{image.manifest.digest}")
    assert lines[0] == "Untagged: app:latest"
    assert names(store) == []


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(ImageNotFound):
        remove_image(store, "nobody")
    with pytest.raises(ImageNotFound):
        remove_image(store, "nobody", force=True)
    for number in range(17):
        make_image(store, None, author=str(number))
    first = [row.image_id.hex[0] for row in store.refs.rows()]
    twice = next(each for each in first if first.count(each) > 1)
    with pytest.raises(AmbiguousName):
        remove_image(store, "sha256:" + twice)
