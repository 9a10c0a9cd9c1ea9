"""Where what was built goes: names in the store, archives and layouts, registries."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from lamina.build.outputs import OnePlatformAlone, archive, index_of, name, send, top_of
from lamina.oci import mediatype
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Store
from lamina.transfer.files import DirectoryFiles, TarFiles
from lamina.transfer.push import images_of
from tests.fakes.transfer import Collected, MemoryPlace
from tests.unit.build.products import member, product

ONE = [[member("f", b"one")]]
TWO = [[member("f", b"two")]]
APP = Reference.parse("app:1")


def test_one_image_has_no_index(store: Store) -> None:
    with product(store, amd64=ONE) as made:
        assert index_of(made) is None
        assert top_of(made) == made.variants[0].manifest.descriptor
        image = name(made, store, [APP, Reference.parse("app:2")])
    assert image.config == made.variants[0].config
    assert [str(row.reference) for row in store.images] == [str(APP), "docker.io/library/app:2"]


def test_without_a_name_it_is_kept_all_the_same(store: Store) -> None:
    with product(store, amd64=ONE) as made:
        name(made, store, [])
    assert [row.reference for row in store.images] == [None]


def test_several_platforms_stand_under_one_name(store: Store) -> None:
    with product(store, arm64=TWO, amd64=ONE) as made:
        image = name(made, store, [APP])
        top = top_of(made)
    assert image.config == made.variants[1].config
    (row,) = store.images
    assert row.descriptor.digest == top.digest
    assert row.image_id == made.variants[1].config.digest
    for variant in made.variants:
        found = store.images.find("app:1", platform=str(variant.platform))
        assert found.config == variant.config
    several = images_of(store, row)
    assert several is not None
    assert [each.platform for each in several[0].manifests] == [
        Platform("arm64"),
        Platform("amd64"),
    ]


def test_an_archive_for_docker(store: Store) -> None:
    stream = io.BytesIO()
    with product(store, amd64=ONE) as made:
        archive(
            made,
            store,
            TarFiles(stream, "x"),
            names=[APP],
            for_docker=True,
            compression="none",
            progress=Collected(),
        )
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        (item,) = json.load(file)
        assert item["RepoTags"] == ["app:1"]
        assert item["Config"].endswith(made.variants[0].config.digest.hex)
        assert item["Layers"] == [f"blobs/sha256/{made.variants[0].config.diff_ids[0].hex}"]


def test_a_layout_of_several_platforms(store: Store, tmp_path: Path) -> None:
    with product(store, amd64=ONE, arm64=TWO) as made:
        top = archive(
            made,
            store,
            DirectoryFiles(tmp_path / "layout"),
            names=[APP],
            for_docker=False,
            compression=None,
            progress=Collected(),
        )
        with pytest.raises(OnePlatformAlone):
            archive(
                made,
                store,
                TarFiles(io.BytesIO(), "x"),
                names=[APP],
                for_docker=True,
                compression="none",
                progress=Collected(),
            )
    written = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert [each["digest"] for each in written["manifests"]] == [str(top.digest)]
    raw = (tmp_path / "layout" / "blobs" / "sha256" / top.digest.hex).read_bytes()
    assert [each.platform for each in Index.parse(raw).manifests] == [
        Platform("amd64"),
        Platform("arm64"),
    ]


def test_what_is_sent_has_packed_layers_and_the_same_config(store: Store) -> None:
    place = MemoryPlace()
    with product(store, amd64=ONE) as made:
        sent = send(made, store, place, APP, compression="gzip", progress=Collected())
        assert sent.digest != top_of(made).digest
    manifest = json.loads(place.blobs[sent.digest])
    assert manifest["config"]["digest"] == str(made.variants[0].config.digest)
    assert [each["mediaType"] for each in manifest["layers"]] == [mediatype.OCI_LAYER_GZIP]
    assert place.tags["1"].digest == sent.digest
