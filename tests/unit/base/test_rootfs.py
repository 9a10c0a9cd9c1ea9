"""A root file system becomes an image, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.base.busybox import Busybox, busybox_rootfs
from lamina.base.rootfs import BootstrapFailed, Rootfs, make_image
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Store
from lamina.store.root import open_store

REFERENCE = Reference.parse("tiny:1")
PLATFORM = Platform("amd64")


def rootfs() -> Rootfs:
    return busybox_rootfs(Busybox(b"\x7fELF BusyBox v1.35.0 ", ("sh",), 1_700_000_000))


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return open_store(tmp_path / "root")


def test_the_image_says_what_it_is(empty: Store) -> None:
    image = make_image(empty, rootfs(), REFERENCE, PLATFORM)
    assert empty.images.find("tiny:1").config.digest == image.config.digest
    assert image.config.created == "2023-11-14T22:13:20Z"
    assert image.config.execution.cmd == ("/bin/sh",)
    assert image.config.execution.environment()["PATH"].startswith("/usr/local/sbin:")
    assert [line.created_by for line in image.config.history] == ["lamina base busybox"]
    assert image.config.labels["org.opencontainers.image.title"] == "busybox"


def test_the_same_files_make_the_same_image_id(empty: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other")
    ids = {
        make_image(store, rootfs(), REFERENCE, PLATFORM).config.digest for store in (empty, other)
    }
    assert len(ids) == 1


def test_a_tool_that_fails_half_way_leaves_no_image(empty: Store) -> None:
    whole = b"".join(rootfs().chunks)

    def broken() -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        raise BootstrapFailed("mmdebstrap failed: no")

    half = Rootfs(broken(), 0, ("sh",), "x", {})
    with pytest.raises(BootstrapFailed):
        make_image(empty, half, REFERENCE, PLATFORM)
    assert list(empty.images) == []
    assert list(empty.layers) == []
