"""load: images from an archive or layout into the store."""

from __future__ import annotations

import msgspec

from lamina.errors import Invalid
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.registry.contract import Source
from lamina.store.contract import Image, Store
from lamina.transfer.archive import NoSuchImage, read_images
from lamina.transfer.members import BadArchive, Members
from lamina.transfer.progress import Progress
from lamina.transfer.receive import receive


class Loaded(msgspec.Struct, frozen=True):
    """An image that an archive brought, and the names it has now."""

    image: Image
    names: tuple[Reference, ...]


def load(members: Members, store: Store, *, platform: Platform, progress: Progress) -> list[Loaded]:
    """Bring every image of an archive or layout into the store, in its order.

    Each gets the names it has there; one without a name is known by its id.
    An image is complete when it is named; when one fails, those before it stay.

    Raises NoSuchImage, BadArchive, and what `receive` raises.
    """
    images = read_images(members)
    if not images:
        raise NoSuchImage(f"{members.what} has no image in it")
    return [
        _load_one(source, names, members.what, store, platform, progress)
        for source, names in images
    ]


def _load_one(
    source: Source,
    names: tuple[str, ...],
    what: str,
    store: Store,
    platform: Platform,
    progress: Progress,
) -> Loaded:
    references = [found for name in names if (found := _reference(name)) is not None]
    first = references[0] if references else None
    image = receive(
        source,
        store,
        first,
        platform=platform,
        progress=progress,
        what=f"{first.familiar} of {what}" if first is not None else f"the image of {what}",
    )
    for name in references[1:]:
        store.images.add(image.manifest, image.config, name)
    return Loaded(image, tuple(references))


def _reference(name: str) -> Reference | None:
    """A name as written in an archive; None for a bare tag (`bookworm`), which names nothing."""
    if ":" not in name and "/" not in name:
        return None
    try:
        reference = Reference.parse(name)
    except Invalid as error:
        raise BadArchive(f"an image has a name that is none: {error}") from None
    return reference.with_tag(reference.tag) if reference.tag else None
