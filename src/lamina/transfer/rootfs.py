"""import: an image of one layer from the tar of a root file system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lamina.layer.compression import decompress
from lamina.layer.pipeline import reading, staged
from lamina.oci import mediatype
from lamina.oci.config import Execution, History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.transfer.progress import Progress

_MOST_BYTES = 1 << 40


def import_rootfs(
    chunks: Iterable[bytes],
    store: Store,
    reference: Reference | None,
    *,
    what: str,
    platform: Platform,
    created: str,
    execution: Execution,
    message: str,
    progress: Progress,
) -> Image:
    """Make an image whose one layer is the tar in `chunks`, and name it `reference`.

    The tar may be plain or compressed (gzip, zstd, xz, bzip2).  `created` is
    RFC 3339; `message` goes into the history; `what` names the tar in errors
    and to `progress`.  Constant memory; on failure nothing is stored.

    Raises BadCompression, BadLayer, and what the store raises.
    """
    progress.start(what, "Importing", None)
    tar = decompress(_counted(chunks, what, progress), None, limit=_MOST_BYTES, what=what)
    with store.leases.hold() as lease:
        with reading(staged(tar)) as stream:
            info = store.layers.ingest(stream, expected=None)
        lease.protect(info.diff_id)
        progress.finish(what, "Import complete")
        config = ImageConfig.scratch(platform).amend(
            created=created,
            execution=execution,
            diff_ids=[info.diff_id],
            history=[History(created=created, comment=message)],
        )
        layer = Descriptor(mediatype.OCI_LAYER, info.diff_id, info.tar_size)
        manifest = Manifest.build(config.descriptor(), [layer])
        return store.images.add(manifest, config, reference)


def _counted(chunks: Iterable[bytes], item: str, progress: Progress) -> Iterator[bytes]:
    with reading(chunks) as source:
        for piece in source:
            progress.advance(item, len(piece))
            yield piece
