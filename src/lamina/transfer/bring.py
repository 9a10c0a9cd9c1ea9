"""The layers of what is attached to an image, brought when somebody asks for them."""

from __future__ import annotations

from threading import Event

from lamina.oci.artifact import Artifact, diff_id_of
from lamina.registry.contract import Source
from lamina.store.contract import Store
from lamina.transfer.progress import Progress
from lamina.transfer.receive import fetch_layer, remember


def bring_layers(
    source: Source, store: Store, artifact: Artifact, *, origin: str, progress: Progress
) -> None:
    """Fetch the layers of a stored artifact that the store has not, from the image's source.

    `origin` is the repository that this is, as for `receive`.  The layers are kept as long as
    the artifact is.  Raises what `fetch_layer` and the source raise.
    """
    with store.leases.hold() as lease:
        lease.protect(artifact.digest, *artifact.diff_ids)
        for each in artifact.manifest.layers:
            diff_id = diff_id_of(each)
            if diff_id is not None and not store.layers.has(diff_id):
                fetch_layer(source, store, each, diff_id, progress=progress, stop=Event())
                remember(store, diff_id, each, origin)
