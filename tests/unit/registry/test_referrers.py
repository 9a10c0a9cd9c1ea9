"""What is attached to a manifest, at registries that list it and at those that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lamina.errors import Unavailable
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact, fallback_tag
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.registry.client import Repository
from lamina.registry.errors import NotARegistry, RegistryError
from tests.contract.source_sink import put_image
from tests.fakes import registry as fake
from tests.fakes.registry import FakeRegistry
from tests.unit.registry.conftest import Client

KIND = "application/vnd.lamina.test.v1"
REPOSITORY = "team/app"


@pytest.fixture
def modern() -> Iterator[FakeRegistry]:
    """One that lists what is attached."""
    with FakeRegistry(referrers=True) as running:
        yield running


def attach(repository: Repository, image: Manifest, content: bytes = b"proof") -> Artifact:
    artifact = Artifact.of_document(image.descriptor, KIND, content, annotations={"a": "b"})
    repository.put_blob(artifact.payload, lambda: [content])
    repository.put_blob(artifact.manifest.config, lambda: [b"{}"])
    repository.put_referrer(artifact.descriptor, artifact.manifest.raw, image.digest)
    return artifact


def index_of(registry: FakeRegistry, image: Manifest) -> dict[str, object]:
    media_type, raw = registry.manifests[REPOSITORY][fallback_tag(image.digest)]
    assert media_type == mediatype.OCI_INDEX
    document: dict[str, object] = json.loads(raw)
    return document


def test_the_tag_has_an_index_where_the_registry_does_not_list(
    client: Client, registry: FakeRegistry
) -> None:
    repository = client(push=True)
    image = put_image(repository)
    artifact = attach(repository, image)
    assert index_of(registry, image) == {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [
            {
                "mediaType": mediatype.OCI_MANIFEST,
                "digest": str(artifact.digest),
                "size": len(artifact.manifest.raw),
                "annotations": {"a": "b"},
                "artifactType": KIND,
            }
        ],
    }


def test_what_others_have_in_the_index_stays(client: Client, registry: FakeRegistry) -> None:
    repository = client(push=True)
    image = put_image(repository)
    theirs = {
        "mediaType": mediatype.OCI_MANIFEST,
        "digest": str(Digest.of(b"theirs")),
        "size": 6,
        "artifactType": "application/vnd.example.signature",
    }
    raw = json.dumps(
        {"schemaVersion": 2, "manifests": [theirs], "mediaType": mediatype.OCI_INDEX, "x": [1]}
    ).encode()
    registry.add_manifest(REPOSITORY, fallback_tag(image.digest), raw, mediatype.OCI_INDEX)
    artifact = attach(repository, image)
    document = index_of(registry, image)
    assert document["x"] == [1]
    entries = document["manifests"]
    assert isinstance(entries, list)
    assert entries[0] == theirs
    assert [each["digest"] for each in entries[1:]] == [str(artifact.digest)]


def test_what_is_listed_already_is_not_put_again(client: Client, registry: FakeRegistry) -> None:
    repository = client(push=True)
    image = put_image(repository)
    attach(repository, image)
    registry.requests.clear()
    attach(repository, image)
    assert registry.asked("PUT", fallback_tag(image.digest)) == []


def test_a_tag_that_is_something_else_is_left_alone(client: Client, registry: FakeRegistry) -> None:
    repository = client(push=True)
    image = put_image(repository)
    registry.add_manifest(REPOSITORY, fallback_tag(image.digest), image.raw)
    with pytest.raises(NotARegistry, match="list of what is attached"):
        attach(repository, image)
    assert registry.manifests[REPOSITORY][fallback_tag(image.digest)][1] == image.raw


@pytest.mark.parametrize("status", [400, 403, 500])
def test_an_index_that_cannot_be_read_is_not_replaced(
    client: Client, registry: FakeRegistry, status: int
) -> None:
    repository = client(push=True)
    image = put_image(repository)
    first = attach(repository, image)
    tag = fallback_tag(image.digest)
    registry.fault("GET", tag, fake.error(status, "UNKNOWN"), times=10)
    before = registry.manifests[REPOSITORY][tag]
    with pytest.raises(RegistryError):
        attach(repository, image, b"second")
    assert registry.manifests[REPOSITORY][tag] == before
    assert str(first.digest).encode() in before[1]


def test_a_registry_that_says_that_it_lists_gets_no_tag(
    client: Client, modern: FakeRegistry
) -> None:
    repository = client(push=True, host=modern.host)
    image = put_image(repository)
    artifact = attach(repository, image)
    assert fallback_tag(image.digest) not in modern.manifests[REPOSITORY]
    (found,) = repository.referrers(image.digest)
    assert (found.digest, found.artifact_type) == (artifact.digest, KIND)


def test_one_request_where_it_lists_and_two_where_it_does_not(
    client: Client, registry: FakeRegistry, modern: FakeRegistry
) -> None:
    for place, requests in ((modern, 1), (registry, 2)):
        repository = client(push=True, host=place.host)
        image = put_image(repository)
        place.requests.clear()
        assert list(repository.referrers(image.digest)) == []
        assert len(place.requests) == requests


@pytest.mark.parametrize(
    "answer",
    [
        fake.error(400, "UNSUPPORTED"),
        fake.error(401, "UNAUTHORIZED"),
        fake.error(403, "DENIED"),
        fake.error(405, "UNSUPPORTED"),
        fake.say(501),
        fake.html(),
        fake.say(303, Location="ftp://else.example/"),
        fake.say(200, b"[]"),
    ],
)
def test_whatever_says_that_it_does_not_list_is_asked_for_the_tag(
    client: Client, registry: FakeRegistry, answer: fake.Fault
) -> None:
    repository = client(push=True)
    image = put_image(repository)
    artifact = attach(repository, image)
    registry.fault("GET", "/referrers/", answer)
    (found,) = repository.referrers(image.digest)
    assert found.digest == artifact.digest


def test_a_registry_that_fails_is_no_registry_without(
    client: Client, registry: FakeRegistry
) -> None:
    repository = client(push=True)
    image = put_image(repository)
    registry.fault("GET", "/referrers/", fake.error(500, "UNKNOWN"), times=10)
    with pytest.raises(Unavailable):
        repository.referrers(image.digest)


def test_a_list_without_an_end_is_left(client: Client, modern: FakeRegistry) -> None:
    repository = client(push=True, host=modern.host)
    image = put_image(repository)
    attach(repository, image)
    endless = fake.with_headers(Link=f'</v2/{REPOSITORY}/referrers/{image.digest}>; rel="next"')
    modern.fault("GET", "/referrers/", endless, times=1000)
    assert list(repository.referrers(image.digest)) == []
    assert len(modern.asked("GET", "/referrers/")) == 100
