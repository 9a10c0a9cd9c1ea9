"""Events about containers and images, with the attributes that Docker gives them."""

from __future__ import annotations

from lamina.store.container_contract import ContainerRecord
from lamina.store.containers_alone import Containers
from lamina.store.contract import NamedImage, Store


def tell_container(
    store: Containers, record: ContainerRecord, action: str, now: str, **attributes: str
) -> None:
    """Note that `action` happened to a container at `now`; never fails.

    Its labels, name and image are among the attributes, as `exitCode` of `die` should be.
    """
    told = {**record.labels, "image": record.image, "name": record.name, **attributes}
    store.events.append("container", action, record.id, told, now)


def tell_image(
    store: Store, row: NamedImage, action: str, now: str, *, name: str | None = None
) -> None:
    """Note that `action` happened to an image at `now`, under `name` or its own; never fails."""
    if name is None:
        name = row.reference.familiar if row.reference is not None else str(row.image_id)
    subject = name if action in {"pull", "push"} else str(row.image_id)
    store.events.append("image", action, subject, {"name": name}, now)
