"""Another name for a container."""

from __future__ import annotations

from lamina.errors import Invalid
from lamina.lifecycle.naming import check_name
from lamina.network import sandbox
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.store.tell import tell_container


class SameName(Invalid):
    """The container has the name already."""

    def __init__(self) -> None:
        super().__init__("Renaming a container with the same name as its current name")


def rename(store: Store, record: ContainerRecord, name: str, now: str) -> ContainerRecord:
    """Give a container another name, by which others in its networks find it from then on.

    Raises NameTaken, BadName, SameName.
    """
    name = check_name(name)
    if name == record.name:
        raise SameName
    renamed = store.containers.rename(record.id, name)
    sandbox.rename(store.root, record.id, name)
    tell_container(store, renamed, "rename", now, oldName=f"/{record.name}")
    return renamed
