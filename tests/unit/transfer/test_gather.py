"""An archive of one image has one entry, whatever is attached to the image."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lamina.oci import mediatype
from lamina.oci.attestation import Attestation, Statement
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.store.root import open_store
from lamina.transfer.archive import open_path
from lamina.transfer.files import TarFiles
from lamina.transfer.layout import LayoutSource, Named, read_index
from lamina.transfer.load import load
from lamina.transfer.members import DirectoryMembers
from lamina.transfer.progress import Silent
from lamina.transfer.save import save
from tests.fakes.images import make_artifact, make_image
from tests.unit.transfer.material import AMD64

NAME = Reference.parse("debian:bookworm")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "root")


@pytest.fixture
def image(store: Store) -> Image:
    found = make_image(store, str(NAME), {"etc/motd": b"hello\n"})
    store.images.attach(found, make_artifact(found, b"proof"))
    return found


def saved(store: Store, image: Image, path: Path) -> Index:
    """Save it, unpack the archive beside, and read its index.json."""
    import tarfile

    out = io.BytesIO()
    save(store, [(image, [NAME])], TarFiles(out, "out"), form="oci-archive", progress=Silent())
    path.write_bytes(out.getvalue())
    # TarFile.extractall has no filter before Python 3.11.4, and wants one from 3.12 on.
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                place = path.with_suffix(".d") / member.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.read())
    return Index.parse((path.with_suffix(".d") / "index.json").read_bytes())


def test_the_only_entry_is_an_index_of_image_and_artifacts(
    store: Store, image: Image, tmp_path: Path
) -> None:
    (entry,) = saved(store, image, tmp_path / "a.tar").manifests
    assert entry.annotations["io.containerd.image.name"] == str(NAME)
    members = DirectoryMembers(tmp_path / "a.d")
    (named,) = read_index(members)
    source = LayoutSource(members, named)
    index = Index.parse(source.document(named.descriptor), media_type=entry.media_type)
    manifest, artifact = index.manifests
    assert manifest.platform == Platform("amd64")
    assert index.images() == (manifest,)
    assert [each.digest for each in source.referrers(manifest.digest)] == [artifact.digest]


def test_it_comes_back_with_all_that_is_attached(
    store: Store, image: Image, tmp_path: Path
) -> None:
    saved(store, image, tmp_path / "a.tar")
    second = open_store(tmp_path / "second")
    with open_path(tmp_path / "a.tar") as members:
        (loaded,) = load(members, second, platform=AMD64, progress=Silent())
    assert loaded.image.row.descriptor.media_type == mediatype.OCI_MANIFEST
    (artifact,) = second.images.attached(loaded.image.manifest.digest)
    assert second.blobs.read(artifact.payload.digest) == b"proof"


def test_without_anything_attached_the_entry_is_the_image(store: Store, tmp_path: Path) -> None:
    plain = make_image(store, str(NAME), {"etc/motd": b"hello\n"})
    (entry,) = saved(store, plain, tmp_path / "a.tar").manifests
    assert entry.media_type == mediatype.OCI_MANIFEST


def test_statements_and_artifacts_lie_in_one_index(store: Store, tmp_path: Path) -> None:
    plain = make_image(store, None, {"etc/motd": b"hello\n"})
    statement = Statement.make("https://spdx.dev/Document", {}, plain.manifest.digest)
    stated = Attestation.make(plain.manifest.digest, [statement])
    for raw in (*stated.blobs.values(), stated.manifest.raw):
        store.blobs.put_bytes(raw)
    index = Index.build([plain.manifest.descriptor, stated.descriptor])
    pair = (plain.manifest, plain.config)
    image = store.images.add_index(index, [pair], NAME, platform=Platform("amd64"))
    store.images.attach(image, make_artifact(image, b"proof"))
    (entry,) = saved(store, image, tmp_path / "a.tar").manifests
    source = LayoutSource(*reader(tmp_path / "a.d"))
    inner = Index.parse(source.document(entry), media_type=entry.media_type).manifests
    assert len(inner) == 3
    assert [each.is_artifact for each in inner] == [False, False, True]


def reader(place: Path) -> tuple[DirectoryMembers, Named]:
    members = DirectoryMembers(place)
    (named,) = read_index(members)
    return members, named
