"""An image from a container: its image's layers and one more of what it changed."""

from __future__ import annotations

from lamina.oci import mediatype
from lamina.oci.config import Execution, History
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.reference import Reference
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Image, Store


def commit(
    store: Store,
    record: ContainerRecord,
    reference: Reference | None,
    *,
    execution: Execution,
    author: str,
    message: str,
    created: str,
) -> Image:
    """Store the container's changes as a layer, and the image with it; name it `reference`.

    The container stays as it is.  Its mount points, its /etc/hosts and the like are
    not among its changes.  Raises ImageNotFound when its image is gone.
    """
    base = store.images.find(str(record.image_id))
    upper = store.containers.directory(record.id) / "upper"
    with store.leases.hold() as lease:
        lease.protect(base.config.digest, *record.layers)
        info = store.layers.snapshot(upper)
        lease.protect(info.diff_id)
        line = History(
            created=created,
            created_by=" ".join(record.command),
            author=author,
            comment=message,
        )
        # What lay over the image's layers, under the container's own (`run --with-removed`).
        over = [store.layers.info(each) for each in record.layers[len(base.layers) :]]
        config = base.config.amend(
            created=created,
            author=author,
            execution=execution,
            diff_ids=(*record.layers, info.diff_id),
            history=(
                *(base.config.history or _told(base.layers)),
                *(History(created=created, comment="run with this layer over it") for _ in over),
                line,
            ),
        )
        layers = [
            Descriptor(mediatype.OCI_LAYER, each.diff_id, each.tar_size) for each in (*over, info)
        ]
        manifest = Manifest.build(config.descriptor(), [*base.manifest.layers, *layers])
        return store.images.add(manifest, config, reference)


def _told(layers: tuple[Digest, ...]) -> tuple[History, ...]:
    """A history for layers whose image has none, so that ours speaks of as many as there are."""
    return tuple(History() for _ in layers)
