"""Importing a root file system."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable

import pytest

from lamina.errors import EngineError, Invalid
from lamina.layer.compression import compress_zstd
from lamina.oci import mediatype
from lamina.oci.config import Execution, History
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.transfer.rootfs import import_rootfs
from tests.fakes.archives import cut
from tests.fakes.images import CREATED, tar_of
from tests.fakes.transfer import Collected
from tests.unit.transfer.material import AMD64, TARS, packed, snapshot

NAME = Reference.parse("mine:1")


def bring(data: bytes, store: Store, progress: Collected | None = None) -> Image:
    return import_rootfs(
        cut(data, 7000),
        store,
        NAME,
        what="rootfs.tar",
        platform=AMD64,
        created=CREATED,
        execution=Execution(cmd=("sh",)),
        message="Imported from -",
        progress=progress or Collected(),
    )


def test_the_image_is_one_layer_with_what_was_asked_for(store: Store) -> None:
    image = bring(TARS[0], store)
    found = store.images.find("mine:1")
    assert found.config.raw == image.config.raw
    assert found.layers == (Digest.of(TARS[0]),)
    assert found.config.execution == Execution(cmd=("sh",))
    assert found.config.history == (History(created=CREATED, comment="Imported from -"),)
    assert found.config.platform == AMD64
    (layer,) = found.manifest.layers
    assert (layer.media_type, layer.digest, layer.size) == (
        mediatype.OCI_LAYER,
        Digest.of(TARS[0]),
        len(TARS[0]),
    )


@pytest.mark.parametrize(
    "pack",
    [packed, lambda tar: b"".join(compress_zstd([tar], threads=1)), lzma.compress, bz2.compress],
    ids=["gzip", "zstd", "xz", "bzip2"],
)
def test_compressed_tars(store: Store, pack: Callable[[bytes], bytes]) -> None:
    assert bring(pack(TARS[0]), store).layers == (Digest.of(TARS[0]),)


def test_progress_counts_what_was_read(store: Store) -> None:
    progress = Collected()
    bring(packed(TARS[0]), store, progress)
    assert progress.done == {"rootfs.tar": len(packed(TARS[0]))}
    assert progress.finished == [("rootfs.tar", "Import complete")]


@pytest.mark.parametrize(
    ("data", "kind", "match"),
    [
        (b"", Invalid, "end"),
        (b"<html>", Invalid, "cut off"),
        (TARS[0][:20_000], Invalid, "cut off"),
        (packed(TARS[0])[:-4], EngineError, "rootfs.tar"),
        (tar_of({"../x": b""}), Invalid, "leaves its root"),
    ],
    ids=["empty", "html", "truncated", "truncated gzip", "leads out"],
)
def test_bad_input_is_one_error_and_stores_nothing(
    store: Store, data: bytes, kind: type[EngineError], match: str
) -> None:
    with pytest.raises(kind, match=match):
        bring(data, store)
    assert not list(store.refs.rows())
    assert not list(store.layers)
    left = [name for name in snapshot(store.root) if name.startswith(("layers/", "objects/"))]
    assert left == []
    assert not list((store.root / "layers").iterdir())
