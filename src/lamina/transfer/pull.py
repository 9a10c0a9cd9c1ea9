"""pull: an image from a registry into the store."""

from __future__ import annotations

from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.registry.contract import Source
from lamina.store.contract import Image, Store
from lamina.transfer.progress import Progress
from lamina.transfer.receive import receive


def pull(
    source: Source,
    store: Store,
    reference: Reference,
    *,
    platform: Platform,
    progress: Progress,
    all_platforms: bool = False,
) -> Image:
    """Bring `reference`, which `source` stands for, into the store.

    A reference by tag becomes the image's name; one by digest names nothing
    (as with Docker: the image is known by its repo digest).  For the rest, and
    what is raised, see `receive`.
    """
    return receive(
        source,
        store,
        reference if reference.digest is None else None,
        platform=platform,
        progress=progress,
        what=reference.familiar,
        origin=reference.name,
        all_platforms=all_platforms,
    )
