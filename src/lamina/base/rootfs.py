"""A root file system on its way to become a base image: one layer that stands on nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lamina.errors import Denied, Invalid, NotFound, Unavailable, Unsupported
from lamina.oci import mediatype
from lamina.oci.config import Execution, History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ToolMissing(Unsupported):
    """A program that makes the root file system is not installed."""


class NotRoot(Denied):
    """Making devices and owners of other users takes root."""


class NoRecipe(Unsupported):
    """The distribution is not one that Lamina can make from packages."""


class UnknownSuite(NotFound):
    """The archive has no such release."""


class ArchiveUnreachable(Unavailable):
    """The archive's server does not answer, or not with a release file."""


class BootstrapFailed(Unavailable):
    """The tool that installs the packages gave up."""


class BadRecipe(Invalid):
    """A suite, variant or package name that no archive can have."""


@dataclass(frozen=True, slots=True)
class Rootfs:
    """A root file system as a tar stream, and what its image says of itself."""

    chunks: Iterator[bytes]
    epoch: int
    """Seconds: the image's creation, and no file is younger."""
    command: tuple[str, ...]
    created_by: str
    labels: Mapping[str, str]


def make_image(store: Store, rootfs: Rootfs, reference: Reference, platform: Platform) -> Image:
    """Store `rootfs` as an image of one layer called `reference`.

    All or nothing: whatever `rootfs.chunks` raises goes through, and nothing is named.
    """
    created = datetime.fromtimestamp(rootfs.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.leases.hold() as lease:
        layer = store.layers.ingest(rootfs.chunks, expected=None)
        lease.protect(layer.diff_id)
        config = ImageConfig.scratch(platform).amend(
            created=created,
            execution=Execution(env=(PATH,), cmd=rootfs.command, labels=dict(rootfs.labels)),
            diff_ids=(layer.diff_id,),
            history=(History(created=created, created_by=rootfs.created_by, comment="lamina"),),
        )
        lease.protect(config.digest)
        blob = Descriptor(mediatype.OCI_LAYER, layer.diff_id, layer.tar_size)
        manifest = Manifest.build(config.descriptor(), (blob,))
        lease.protect(manifest.digest)
        return store.images.add(manifest, config, reference)
