"""What the container's first process does to the file system, as values.  Pure.

A list of these is a complete account of what a container sees beside its
image: it is made by `plan`, can be printed and compared, and is executed by
`init` in order.  Targets are absolute paths inside the container and are
resolved there, so that no link in the image leads out of it.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from lamina.run.spec import Hidden, Propagation


class MountFilesystem(msgspec.Struct, frozen=True):
    """A new file system of the kernel's: proc, tmpfs, …"""

    fstype: str
    target: str
    options: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ("nosuid", "nodev", "noexec")
    optional: bool = False
    """Left out without a word where the kernel does not have it."""
    keep_mode: bool = False
    """Whether its directory has the mode of the image's at the target; 1777 if there is none."""


class BindMount(msgspec.Struct, frozen=True):
    """A file or directory of the host, with what is mounted below it."""

    source: str
    target: str
    flags: tuple[str, ...] = ()
    populate: bool = False
    """An empty source gets what the image has at the target."""
    subpath: str = ""
    """What of the source, through no link that leads out of it."""
    propagation: Propagation = "rprivate"
    recursive: bool = True
    flags_below: bool = True
    """Whether the flags go for what is mounted below the source, too."""
    optional: bool = False
    """Left out without a word where the source is not there."""
    owners: bool = False
    """Whether owners of its files are ids of the container, whoever these stand for outside."""


class TreeBind(msgspec.Struct, frozen=True):
    """A file or directory in a stack of layers; what is written goes into `scratch`."""

    lowers: tuple[str, ...]
    """The topmost first."""
    path: str
    target: str
    directory: bool
    scratch: str
    read_only: bool


class PlaceFile(msgspec.Struct, frozen=True):
    """A file in memory, read-only."""

    content: Hidden
    target: str
    mode: int
    uid: int
    gid: int
    flags: tuple[str, ...]


class AttachTerminals(msgspec.Struct, frozen=True):
    """The container's own devpts, made beforehand, with its first terminal as the console."""

    target: str
    console: str = ""


class MakeDirectory(msgspec.Struct, frozen=True):
    """A directory in one of the file systems mounted before."""

    path: str
    mode: int = 0o755


class MakeDevices(msgspec.Struct, frozen=True):
    """The host's device nodes of these names, bound into the container's /dev."""

    directory: str
    names: tuple[str, ...]


class BindDevice(msgspec.Struct, frozen=True):
    """A device node of the host's, whose owner and mode cannot be changed from inside."""

    source: str
    target: str


class ShareMemory(msgspec.Struct, frozen=True):
    """The /dev/shm of the container whose ipc namespace was joined."""

    target: str


class SetParameter(msgspec.Struct, frozen=True):
    """A kernel parameter of the container's own namespaces."""

    name: str
    value: str
    optional: bool = False
    """Left as it is, without a word, where the kernel does not have it."""


class MakeLink(msgspec.Struct, frozen=True):
    """A symbolic link."""

    path: str
    text: str


class Mask(msgspec.Struct, frozen=True):
    """Hide a path, if there is one: a file becomes empty, a directory too."""

    path: str


class MakeReadOnly(msgspec.Struct, frozen=True):
    """Make what is at the path, if there is something, read-only."""

    path: str


Step: TypeAlias = (
    MountFilesystem
    | BindMount
    | TreeBind
    | PlaceFile
    | AttachTerminals
    | MakeDirectory
    | MakeDevices
    | BindDevice
    | ShareMemory
    | SetParameter
    | MakeLink
    | Mask
    | MakeReadOnly
)
