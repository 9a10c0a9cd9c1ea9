"""What is mounted, as `run` and `create` take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lamina.cli.declared import Option

if TYPE_CHECKING:
    from lamina.run.mount_request import MountRequest


class MountOptions(msgspec.Struct, frozen=True):
    """What the options of this group come to."""

    requests: tuple[MountRequest, ...] = ()
    inherited: tuple[tuple[str, bool], ...] = ()
    """Containers whose volumes are mounted as well, and whether read-only."""
    shm_size: int = 64 << 20


OPTIONS = (
    Option(
        "-v",
        "--volume",
        multiple=True,
        metavar="[SOURCE:]TARGET[:ro]",
        help="Mount a path of the host, or a volume by its name.",
    ),
    Option(
        "--mount",
        multiple=True,
        metavar="type=…,source=…,target=…",
        help="Mount a bind, volume or tmpfs, with all that can be said of it.",
    ),
    Option(
        "--tmpfs", multiple=True, metavar="TARGET[:OPTIONS]", help="Mount a directory in memory."
    ),
    Option(
        "--volumes-from",
        multiple=True,
        metavar="CONTAINER[:ro]",
        help="Mount the volumes and paths of another container.",
    ),
    Option("--shm-size", default="64m", metavar="BYTES", help="Size of /dev/shm (64m)."),
)


def read(values: dict[str, Any]) -> MountOptions:
    """The values of this group's options.  Raises BadMount."""
    from lamina.run.mount_request import (
        parse_mount,
        parse_size,
        parse_tmpfs,
        parse_volume,
        parse_volumes_from,
    )

    return MountOptions(
        (
            *map(parse_volume, values["volume"]),
            *map(parse_mount, values["mount"]),
            *map(parse_tmpfs, values["tmpfs"]),
        ),
        tuple(map(parse_volumes_from, values["volumes_from"])),
        parse_size(values["shm_size"]),
    )
