"""What is attached to an image, against a real registry that does not list it, and real tools."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.minify.removed import ARTIFACT_TYPE as REMOVED
from lamina.minify.removed import attach_removed
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.registry.connect import connect
from lamina.registry.settings import Settings
from lamina.repack.proof import ARTIFACT_TYPE as PROOF
from lamina.repack.proof import Proof, proof_artifact
from lamina.store.root import open_store
from tests.fakes.images import tar_of
from tests.system.conftest import Lamina, Registry, need_tool, unmounted

pytestmark = pytest.mark.system
THEIRS = "application/vnd.example.signature.v1"


def get(registry: Registry, path: str, accept: str) -> Any:
    request = urllib.request.Request(
        f"http://{registry.host}/v2/{path}", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def listed(registry: Registry, repository: str, subject: str) -> list[dict[str, Any]]:
    """The index under the tag for what is attached."""
    tag = subject.replace(":", "-")
    index = get(registry, f"{repository}/manifests/{tag}", mediatype.OCI_INDEX)
    found: list[dict[str, Any]] = index["manifests"]
    return found


@pytest.fixture
def slimmed(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with `app:1`, which hides bytes, and `app:slim`, which does not."""
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN head -c 3000000 /dev/urandom > /big\nRUN rm /big\n"
    )
    busybox_store("build", "-q", "-t", "app:1", str(tmp_path))
    busybox_store("slim", "app:1", "-t", "app:slim")
    return busybox_store


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Lamina]:
    """Another machine's store."""
    command = Lamina(tmp_path / "elsewhere")
    yield command
    unmounted(command.root)


def pushed(lamina: Lamina, registry: Registry, repository: str) -> str:
    """Push `app:slim`; returns the digest of the manifest there."""
    name = f"{registry.host}/{repository}:slim"
    lamina("tag", "app:slim", name)
    return lamina("push", "-q", name).stdout.strip().partition("@")[2]


def test_the_proof_goes_to_a_registry_and_comes_elsewhere(
    slimmed: Lamina, other: Lamina, registry: Registry, tmp_path: Path
) -> None:
    old = slimmed("inspect", "-f", "{{.Id}}", "app:1").stdout.strip()
    repository = "attached/proof"
    name = f"{registry.host}/{repository}:slim"
    digest = pushed(slimmed, registry, repository)
    (entry,) = listed(registry, repository, digest)
    assert entry["artifactType"] == PROOF
    manifest = get(registry, f"{repository}/manifests/{entry['digest']}", entry["mediaType"])
    assert manifest["subject"]["digest"] == digest
    slimmed("rmi", "-f", name, "app:slim")

    other("pull", "-q", name)
    (shown,) = json.loads(other("inspect", "-f", "{{json .Attached}}", name).stdout)
    assert (shown["artifactType"], shown["digest"]) == (PROOF, entry["digest"])
    told = other("verify", name).stdout.splitlines()
    assert told[-1] == (f"proof holds: shows the same tree as {old} did, 3,000,000 bytes smaller")
    # The tag for the list is no image to pull, and nobody else is confused by it.
    other("pull", "-q", "-a", f"{registry.host}/{repository}")
    skopeo = need_tool("skopeo", "skopeo")
    subprocess.run(
        [
            *(skopeo, "--insecure-policy", "copy", "-q", "--src-tls-verify=false"),
            *(f"docker://{name}", f"oci:{tmp_path / 'copied'}:slim"),
        ],
        check=True,
    )
    index = json.loads((tmp_path / "copied/index.json").read_text())
    assert [each["digest"] for each in index["manifests"]] == [digest]


def test_what_another_tool_attached_survives(slimmed: Lamina, registry: Registry) -> None:
    repository = "attached/theirs"
    digest = pushed(slimmed, registry, repository)
    place = connect(Reference.parse(f"{registry.host}/{repository}:slim"), Settings(), push=True)
    theirs = Artifact.of_document(place.resolve(), THEIRS, b"signed", annotations={"who": "me"})
    place.put_blob(theirs.payload, lambda: [b"signed"])
    place.put_document(theirs.manifest.descriptor, theirs.manifest.raw)
    # As another tool writes it, which knows more fields than Lamina.
    entry = {
        "mediaType": mediatype.OCI_MANIFEST,
        "digest": str(theirs.digest),
        "size": len(theirs.manifest.raw),
        "artifactType": THEIRS,
        "data": "e30=",
    }
    raw = json.dumps(
        {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": [entry]}
    ).encode()
    tag = digest.replace(":", "-")
    index = Descriptor(mediatype.OCI_INDEX, Digest.of(raw), len(raw))
    place.put_document(index, raw, tag=tag)
    pushed(slimmed, registry, repository)
    first, second = listed(registry, repository, digest)
    assert first == entry
    assert second["artifactType"] == PROOF
    pushed(slimmed, registry, repository)
    assert listed(registry, repository, digest) == [first, second]


def test_copy_carries_it_between_registry_and_layout(
    slimmed: Lamina, registry: Registry, tmp_path: Path
) -> None:
    digest = pushed(slimmed, registry, "attached/from")
    source = f"docker://{registry.host}/attached/from:slim"
    layout = f"oci:{tmp_path / 'layout'}:slim"
    slimmed("copy", "-q", source, layout)
    slimmed("copy", "-q", layout, f"docker://{registry.host}/attached/to:slim")
    assert listed(registry, "attached/to", digest) == listed(registry, "attached/from", digest)
    slimmed("copy", "-q", source, f"docker-archive:{tmp_path / 'a.tar'}:slim")


def test_a_proof_of_something_else_does_not_hold(slimmed: Lamina) -> None:
    store = open_store(slimmed.root)
    image = store.images.find("app:1")
    slim = store.images.find("app:slim")
    (artifact,) = store.images.attached(slim.manifest.digest, PROOF)
    proof = Proof.parse(store.blobs.read(artifact.payload.digest))
    store.images.attach(image, proof_artifact(image.manifest.descriptor, proof))
    done = slimmed("verify", "app:1", check=False)
    assert done.returncode == 3
    assert f"proof does not hold: it is about the image {proof.new.image_id}" in done.stdout
    assert "the proof that is attached to app:1 does not hold" in done.stderr


def test_removed_files_come_from_where_the_image_came(
    slimmed: Lamina, other: Lamina, registry: Registry, tmp_path: Path
) -> None:
    """The layer of an image that was made smaller, which a pull leaves where it is."""
    store = open_store(slimmed.root)
    image = store.images.find("app:slim")
    with store.leases.hold() as lease:
        layer = store.layers.ingest([tar_of({"taken": b"taken out\n"})], expected=None)
        lease.protect(layer.diff_id)
        attach_removed(store, image, layer)
    name = f"{registry.host}/attached/removed:slim"
    pushed(slimmed, registry, "attached/removed")
    other("pull", "-q", name)
    (shown,) = [
        each
        for each in json.loads(other("inspect", "-f", "{{json .Attached}}", name).stdout)
        if each["artifactType"] == REMOVED
    ]
    assert not open_store(other.root).layers.has(layer.diff_id)
    cat = ("run", "--rm", "--with-removed", name, "cat", "/taken")
    first = other(*cat)
    assert first.stdout == "taken out\n"
    assert "Fetching the removed files" in first.stderr
    again = other(*cat)
    assert (again.stdout, "Fetching" in again.stderr) == ("taken out\n", False)
    assert shown["size"] < 2000

    # A file has nobody to ask later: there the layer is in it.
    other("save", "-q", "--format", "oci-archive", "-o", str(tmp_path / "all.tar"), name)
    third = Lamina(tmp_path / "third")
    third("load", "-q", "-i", str(tmp_path / "all.tar"))
    assert third(*cat).stdout == "taken out\n"
    unmounted(third.root)


def test_removed_files_that_are_nowhere_are_told(slimmed: Lamina) -> None:
    store = open_store(slimmed.root)
    image = store.images.find("app:slim")
    gone = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"gone"), 4)
    subject, tar = image.manifest.descriptor, Digest.of(b"the tar")
    artifact = Artifact.of_layer(subject, REMOVED, tar, 4).about(subject, {tar: gone})
    store.images.attach(image, artifact)
    done = slimmed("run", "--rm", "--with-removed", "app:slim", "true", check=False)
    assert done.returncode == 125
    assert "the removed files of app:slim are not in the store" in done.stderr
