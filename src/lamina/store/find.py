"""What a name means: a container or an image."""

from __future__ import annotations

from lamina.errors import NotFound
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Image, Store
from lamina.store.errors import ContainerNotFound


def find_object(store: Store, text: str) -> ContainerRecord | Image:
    """The container or the image that `text` means.

    A container's exact name or id wins, then any name of an image, then the
    first digits of a container's id.  Raises ImageNotFound when nothing goes
    by `text`, and AmbiguousName.
    """
    try:
        container = store.containers.find(text)
    except ContainerNotFound:
        return store.images.find(text)
    if text.removeprefix("/") in (container.name, container.id):
        return container
    try:
        return store.images.find(text)
    except NotFound:
        return container
