"""What the tests of transfers share: an image at a source, and a look at the store's files."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from tests.fakes.images import CREATED, tar_of
from tests.fakes.transfer import MemoryPlace

AMD64 = Platform("amd64")
ARM64 = Platform("arm64")
TARS = (
    tar_of({"etc/os-release": b"NAME=Test\n", "bin/sh": b"#!" * 30_000}),
    tar_of({"etc/motd": b"hello\n"}),
)
Pack = Callable[[bytes], bytes]


def packed(tar: bytes) -> bytes:
    """The same gzip every time."""
    return gzip.compress(tar, 6, mtime=0)


def put(place: MemoryPlace, data: bytes, media_type: str) -> Descriptor:
    """Have a blob there; returns its descriptor."""
    digest = Digest.of(data)
    place.blobs[digest] = data
    return Descriptor(media_type, digest, len(data))


def put_manifest(
    place: MemoryPlace,
    tars: Sequence[bytes] = TARS,
    *,
    platform: Platform = AMD64,
    pack: Pack = packed,
    layer_type: str = mediatype.OCI_LAYER_GZIP,
    diff_ids: Sequence[Digest] | None = None,
) -> Manifest:
    """Have an image there without a name."""
    config = ImageConfig.scratch(platform).amend(
        diff_ids=[Digest.of(tar) for tar in tars] if diff_ids is None else diff_ids,
        created=CREATED,
    )
    layers = [put(place, pack(tar), layer_type) for tar in tars]
    manifest = Manifest.build(put(place, config.raw, mediatype.OCI_CONFIG), layers)
    put(place, manifest.raw, manifest.media_type)
    return manifest


def put_image(
    place: MemoryPlace,
    tars: Sequence[bytes] = TARS,
    *,
    pack: Pack = packed,
    layer_type: str = mediatype.OCI_LAYER_GZIP,
    diff_ids: Sequence[Digest] | None = None,
    platform: Platform = AMD64,
) -> Manifest:
    """Have an image there, under the place's tag."""
    manifest = put_manifest(
        place, tars, pack=pack, layer_type=layer_type, diff_ids=diff_ids, platform=platform
    )
    place.tags[place.tag] = manifest.descriptor
    return manifest


def put_index(place: MemoryPlace, *platforms: Platform) -> Index:
    """Have an index there, under the place's tag; each platform has a layer of its own."""
    entries = []
    for platform in platforms:
        tars = (TARS[0], tar_of({"platform": str(platform).encode()}))
        manifest = put_manifest(place, tars, platform=platform)
        entries.append(
            Descriptor(manifest.media_type, manifest.digest, len(manifest.raw), platform=platform)
        )
    index = Index.build(entries)
    put(place, index.raw, index.media_type)
    place.tags[place.tag] = index.descriptor
    return index


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below `root` and what is in it."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
