"""Mirrors: asked first, in order, for pulls alone; the registry itself has the last word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.errors import NotFound
from lamina.oci.manifest import Manifest
from lamina.registry.connect import BadMirror
from tests.contract.source_sink import describe, material, put_image, read
from tests.fakes import registry as fake
from tests.fakes.registry import FakeRegistry
from tests.unit.registry.conftest import Client

BLOB = material(3_000_000)


@pytest.fixture
def mirror(client: Client) -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def image(client: Client) -> Manifest:
    return put_image(client(push=True), BLOB)


def through(registry: FakeRegistry, *mirrors: str) -> dict[str, object]:
    return {"mirrors": {registry.host: mirrors}}


def pull(client: Client, settings: dict[str, object]) -> bytes:
    repository = client(**settings)
    manifest = Manifest.parse(repository.document(repository.resolve()))
    return read(repository, manifest.layers[0])


def test_what_the_mirror_has_comes_from_there(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry, image: Manifest
) -> None:
    put_image(client(push=True, host=mirror.host), BLOB)
    registry.requests.clear()
    assert pull(client, through(registry, mirror.url)) == BLOB
    assert registry.requests == []


def test_what_the_mirror_lacks_comes_from_the_registry(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry, image: Manifest
) -> None:
    assert pull(client, through(registry, "127.0.0.1:9", mirror.host)) == BLOB
    assert mirror.asked("HEAD", "/manifests/v1")


def test_a_mirror_may_have_a_prefix(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry, image: Manifest
) -> None:
    put_image(client("cache/team/app:v1", push=True, host=mirror.host), BLOB)
    registry.requests.clear()
    assert pull(client, through(registry, f"{mirror.host}/cache/")) == BLOB
    assert registry.requests == []


def test_a_mirror_that_breaks_is_left_in_the_middle_of_a_blob(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry, image: Manifest
) -> None:
    put_image(client(push=True, host=mirror.host), BLOB)
    mirror.fault("GET", "/blobs/", fake.break_after(1_500_000))
    mirror.fault("GET", "/blobs/", fake.error(404, "BLOB_UNKNOWN"))
    registry.requests.clear()
    assert read(client(**through(registry, mirror.host)), describe(BLOB)) == BLOB
    [asked] = registry.asked("GET", "/blobs/")
    assert int(asked.headers["range"].strip("bytes=-")) > 1_000_000


def test_a_mirror_that_hangs_is_left(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry, image: Manifest
) -> None:
    put_image(client(push=True, host=mirror.host), BLOB)
    mirror.fault("GET", "/blobs/", fake.hang(1_500_000))
    assert read(client(idle_timeout=1.0, **through(registry, mirror.host)), describe(BLOB)) == BLOB


def test_a_mirror_with_other_bytes_is_not_believed(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry, image: Manifest
) -> None:
    put_image(client(push=True, host=mirror.host), BLOB)
    mirror.fault("GET", "/manifests/", fake.with_body(b"{}"))
    repository = client(**through(registry, mirror.host))
    assert repository.document(image.descriptor) == image.raw


def test_the_registry_has_the_last_word(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry
) -> None:
    with pytest.raises(NotFound, match=f"{registry.host}/team/app"):
        client(**through(registry, mirror.host)).resolve()


def test_pushes_leave_mirrors_aside(
    client: Client, registry: FakeRegistry, mirror: FakeRegistry
) -> None:
    put_image(client(push=True, **through(registry, mirror.host)))
    assert mirror.requests == []


@pytest.mark.parametrize("address", ["", "ftp://x", "https://", "http://me:pass@x"])
def test_a_mirror_that_is_no_address_is_refused(
    client: Client, registry: FakeRegistry, address: str
) -> None:
    with pytest.raises(BadMirror, match="not the address of a mirror"):
        client(**through(registry, address))
