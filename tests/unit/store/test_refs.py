"""Names on disk, and their fake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.errors import RecordDamaged
from lamina.store.refs import IndexRefs, empty_index
from lamina.store.sealed import check
from tests.contract.ref_store import BOOKWORM, STABLE, RefStoreContract, image
from tests.fakes.stores import MemoryRefs


class TestMemoryRefs(RefStoreContract):
    @pytest.fixture
    def refs(self) -> MemoryRefs:
        return MemoryRefs()


class TestIndexRefs(RefStoreContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "index.json").write_bytes(empty_index())
        return tmp_path / "index.json"

    @pytest.fixture
    def refs(self, path: Path) -> IndexRefs:
        return IndexRefs(path.parent)

    def test_it_is_an_index_of_an_oci_layout(self, refs: IndexRefs, path: Path) -> None:
        refs.set(image("a", BOOKWORM))
        document = json.loads(path.read_bytes())
        assert document["schemaVersion"] == 2
        assert document["mediaType"] == "application/vnd.oci.image.index.v1+json"
        (entry,) = document["manifests"]
        assert entry["digest"] == str(image("a").descriptor.digest)
        assert entry["size"] == 400
        assert entry["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
        notes = entry["annotations"]
        assert notes["org.opencontainers.image.ref.name"] == "docker.io/library/debian:bookworm"
        assert notes["io.containerd.image.name"] == "docker.io/library/debian:bookworm"

    def test_it_is_sealed_after_every_change(self, refs: IndexRefs, path: Path) -> None:
        check(path.read_bytes())
        refs.set(image("a", BOOKWORM))
        check(path.read_bytes())
        refs.remove(BOOKWORM)
        check(path.read_bytes())

    def test_what_others_wrote_survives(self, refs: IndexRefs, path: Path) -> None:
        refs.set(image("a", BOOKWORM))
        document: dict[str, Any] = json.loads(path.read_bytes())
        foreign = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": str(Digest.of(b"foreign")),
            "size": 5,
            "annotations": {"org.opencontainers.image.ref.name": "theirs"},
            "unknown": {"x": [1]},
        }
        document["manifests"].insert(0, foreign)
        document["manifests"][1]["annotations"]["com.example.note"] = "mine"
        document["manifests"][1]["data"] = "eA=="
        document["annotations"]["com.example.index"] = "yes"
        document["subject"] = {"a": 1}
        path.write_text(json.dumps(document))
        refs.set(image("b", STABLE))
        after = json.loads(path.read_bytes())
        assert after["manifests"][0] == foreign
        assert after["manifests"][1] == document["manifests"][1]
        assert after["annotations"]["com.example.index"] == "yes"
        assert after["subject"] == {"a": 1}
        assert len(refs.rows()) == 2
        refs.set(image("c", BOOKWORM))
        assert refs.rows()[0].descriptor.annotations == {"com.example.note": "mine"}

    def test_an_unreadable_index_is_named(self, refs: IndexRefs, path: Path) -> None:
        for damage in (b"", b"{", b"[]", b'{"manifests":3}', b"\xff"):
            path.write_bytes(damage)
            with pytest.raises(RecordDamaged, match=r"index\.json is damaged"):
                refs.rows()
            with pytest.raises(RecordDamaged):
                refs.set(image("a", BOOKWORM))
            assert path.read_bytes() == damage
        path.unlink()
        with pytest.raises(RecordDamaged, match="missing"):
            refs.rows()

    def test_an_unreadable_row_is_an_error_not_a_lost_image(
        self, refs: IndexRefs, path: Path
    ) -> None:
        refs.set(image("a", BOOKWORM))
        text = path.read_text().replace(str(image("a").image_id), "sha256:12")
        path.write_text(text)
        with pytest.raises(RecordDamaged):
            refs.rows()

    def test_disk_usage_is_that_of_the_file_to_come(self, refs: IndexRefs, path: Path) -> None:
        for number in range(40):
            refs.set(image(str(number), Reference.parse(f"image:{number}")))
        assert refs.disk_usage() == path.stat().st_blocks * 512
        gone = {Digest.of(str(number).encode()) for number in range(30)}
        foretold = refs.disk_usage(without=gone)
        for each in gone:
            refs.remove_image(each)
        assert path.stat().st_blocks * 512 == foretold
