"""Small images for tests: a tar from a mapping, a layer from a tar, an image from layers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence

from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Image, Store

CREATED = "2024-01-01T00:00:00Z"


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A tar with these files, the same bytes every time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_layer(store: Store, files: Mapping[str, bytes]) -> Digest:
    """Store a layer with these files."""
    return store.layers.ingest([tar_of(files)], expected=None).diff_id


def documents(
    diff_ids: Sequence[Digest],
    *,
    sizes: Sequence[int] = (),
    author: str = "",
    created: str = CREATED,
    platform: Platform | None = None,
) -> tuple[Manifest, ImageConfig]:
    """Manifest and config of an image over these layers; `author` makes it another image."""
    config = ImageConfig.scratch(platform or Platform("amd64")).amend(
        diff_ids=diff_ids, created=created, author=author or None
    )
    layers = [
        Descriptor(mediatype.OCI_LAYER, diff_id, size)
        for diff_id, size in zip(diff_ids, sizes or [0] * len(diff_ids), strict=True)
    ]
    return Manifest.build(config.descriptor(), layers), config


def make_image(
    store: Store,
    name: str | None,
    *layers: Mapping[str, bytes],
    author: str = "",
    created: str = CREATED,
    repo_digests: Sequence[str] = (),
) -> Image:
    """Store an image with these layers under a name, or without one."""
    diff_ids = [make_layer(store, files) for files in layers]
    manifest, config = documents(
        diff_ids,
        sizes=[store.layers.info(each).tar_size for each in diff_ids],
        author=author,
        created=created,
    )
    reference = Reference.parse(name) if name else None
    return store.images.add(manifest, config, reference, repo_digests=repo_digests)


def make_artifact(
    image: Image, content: bytes, artifact_type: str = "application/vnd.lamina.test.v1+json"
) -> Artifact:
    """An artifact about an image, with this in it."""
    return Artifact.of_document(image.manifest.descriptor, artifact_type, content)


def make_record(
    name: str,
    image: Image | None = None,
    *,
    number: int = 1,
    status: str = "created",
    created: str = CREATED,
    pid: int = 0,
    pid_started: int = 0,
) -> ContainerRecord:
    """A container's record; `number` makes its id."""
    return ContainerRecord(
        id=f"{number:064x}",
        name=name,
        image=str(image.row.reference) if image else "none",
        image_id=image.config.digest if image else Digest.of(b""),
        layers=image.layers if image else (),
        created=created,
        status=status,
        pid=pid,
        pid_started=pid_started,
    )
