"""Which images are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.explain.stack import open_stack
from lamina.needs import candidates as subject
from lamina.needs.candidates import Found, stored, tagged
from lamina.needs.uses import Uses
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.registry.client import Repository
from lamina.registry.connect import connect
from lamina.registry.errors import RepositoryNotFound
from lamina.registry.settings import Settings
from lamina.store.contract import Store
from tests.fakes.images import documents, make_image
from tests.fakes.registry import FakeRegistry

BASE = {"big": bytes(1000)}
OWN = {"srv/app": bytes(10)}
AMD64 = Platform("amd64")


def test_smaller_images_of_the_store_plain_ones_first(store: Store) -> None:
    make_image(store, "base:1", BASE)
    make_image(store, "app:1", BASE, OWN)
    make_image(store, "child:1", BASE, OWN, {"x": b""})
    make_image(store, "small:1", {"s": bytes(100)})
    make_image(store, "small:again", {"s": bytes(100)})
    make_image(store, "built:1", {"s": bytes(100)}, {"t": bytes(500)})
    make_image(store, "large:1", {"l": bytes(2000)})
    uses = Uses(open_stack(store, "app:1"))
    assert stored(store, uses) == Found(["small:1", "built:1"])


def test_without_a_base_smaller_means_than_the_image(store: Store) -> None:
    make_image(store, "app:1", BASE, OWN)
    make_image(store, "other:1", {"s": bytes(1005)})
    assert stored(store, Uses(open_stack(store, "app:1"))).names == ["other:1"]


def test_there_is_a_limit_and_it_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_STORED", 2)
    make_image(store, "app:1", BASE)
    for number in range(5):
        make_image(store, f"small:{number}", {"s": bytes(number + 1)})
    found = stored(store, Uses(open_stack(store, "app:1")))
    assert found.names == ["small:4", "small:3"]
    assert found.note == "3 more images of the store are smaller"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def repository(registry: FakeRegistry, name: str = "team/bases") -> Repository:
    return connect(Reference.parse(f"{registry.host}/{name}"), Settings(), sleep=lambda _: None)


def put(registry: FakeRegistry, tag: str, size: int, platform: Platform = AMD64) -> None:
    layer = Digest.of(str(size).encode())
    manifest, config = documents([layer], sizes=[size], author=str(size), platform=platform)
    registry.add_blob("team/bases", config.raw)
    registry.add_manifest("team/bases", tag, manifest.raw)


def test_each_image_of_a_repository_once_the_smallest_first(registry: FakeRegistry) -> None:
    for tag, size in (("1", 300), ("latest", 300), ("slim", 100), ("full", 900)):
        put(registry, tag, size)
    registry.page = 2
    registry.add_manifest("team/bases", "broken", b'{"schemaVersion": 2}')
    name = f"docker://{registry.host}/team/bases"
    found = tagged(repository(registry), AMD64)
    assert found == Found([f"{name}:slim", f"{name}:1", f"{name}:full"])


def test_what_is_left_out_of_a_repository_is_told(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "MOST_TAGS", 3)
    monkeypatch.setattr(subject, "MOST_IMAGES", 2)
    for tag in range(5):
        put(registry, str(tag), 100 + tag)
    found = tagged(repository(registry), AMD64)
    assert [name.rpartition(":")[2] for name in found.names] == ["0", "1"]
    assert "of 5 tags" in found.note and "of 3 images" in found.note


def test_a_repository_that_is_not_there(registry: FakeRegistry) -> None:
    with pytest.raises(RepositoryNotFound):
        tagged(repository(registry, "team/none"), AMD64)
