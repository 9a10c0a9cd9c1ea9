"""Where an image lies outside the store, as users write it: `docker://NAME`, `oci:DIR[:NAME]`…"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.cli.load import opened_members
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.oci.reference import Reference
    from lamina.registry.contract import Source
    from lamina.registry.settings import Settings

TRANSPORTS = ("docker", "oci", "oci-archive", "docker-archive")


class BadPlace(Invalid):
    """A text that names no place."""


class Place(msgspec.Struct, frozen=True):
    """Where an image comes from or goes to."""

    transport: str
    path: Path
    name: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises BadPlace."""
        transport, mark, rest = text.partition(":")
        if transport not in TRANSPORTS or not mark:
            raise BadPlace(
                f"not a place to copy from or to: {text!r}",
                hint="write docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME]"
                " or docker-archive:FILE[:NAME]",
            )
        if transport == "docker":
            if not rest.startswith("//"):
                raise BadPlace(f"not a place: {text!r}", hint=f"write docker://{rest}")
            return cls(transport, Path(), rest[2:])
        path, _, name = rest.partition(":")
        if not path:
            raise BadPlace(f"{text!r} has no path")
        return cls(transport, Path(path), name)

    def reference(self) -> Reference:
        """The name as a reference.  Raises BadReference."""
        from lamina.oci.reference import Reference

        return Reference.parse(self.name)


@contextmanager
def opened_source(place: Place, options: Callable[[], Settings]) -> Iterator[Source]:
    """The image there, for the length of a block; `options` are asked for registries."""
    if place.transport == "docker":
        from lamina.registry.connect import connect

        yield connect(place.reference(), options())
        return
    from lamina.transfer.archive import find_image

    with opened_members(place.path) as members:
        yield find_image(members, place.name)
