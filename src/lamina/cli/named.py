"""The objects and the platform that a command's arguments name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lamina.cli.main import report
from lamina.errors import EngineError, NotFound

if TYPE_CHECKING:
    from lamina.oci.platform import Platform
    from lamina.store.contract import ContainerRecord, Image, Store


def find_object(store: Store, text: str) -> ContainerRecord | Image:
    """The container or the image that `text` means.

    A container's exact name or id wins, then any name of an image, then the
    first digits of a container's id.  Raises ImageNotFound when nothing goes
    by `text`, and AmbiguousName.
    """
    from lamina.store.errors import ContainerNotFound

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


def for_each(
    texts: Iterable[str], act: Callable[[str], None], *, forgive: tuple[type[EngineError], ...] = ()
) -> int:
    """Do `act` to every object; one that fails is told and does not stop the others.

    Returns the exit status: 1 when any failed, but for the kinds in `forgive`.
    """
    status = 0
    for text in texts:
        try:
            act(text)
        except EngineError as error:
            report(str(error), error.hint)
            status = status if isinstance(error, forgive) else 1
    return status


def host_platform(text: str | None) -> Platform:
    """What `--platform` says, the rest from this host; without it this host's."""
    from lamina.oci.platform import Platform

    host = Platform.of_machine(os.uname().machine)
    return Platform.parse(text, host=host) if text else host
