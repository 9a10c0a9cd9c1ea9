"""What the container's first process does to the file system, as values.  Pure.

A list of these is a complete account of what a container sees beside its
image: it is made by `plan`, can be printed and compared, and is executed by
`init` in order.  Targets are absolute paths inside the container and are
resolved there, so that no link in the image leads out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class MountFilesystem:
    """A new file system of the kernel's: proc, tmpfs, …"""

    fstype: str
    target: str
    options: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ("nosuid", "nodev", "noexec")
    optional: bool = False
    """Left out without a word where the kernel does not have it."""


@dataclass(frozen=True, slots=True)
class BindMount:
    """A file or directory of the host, with what is mounted below it."""

    source: str
    target: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachTerminals:
    """The container's own devpts, made beforehand, with its first terminal as the console."""

    target: str
    console: str = ""


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """A directory in one of the file systems mounted before."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class MakeDevices:
    """The host's device nodes of these names, bound into the container's /dev."""

    directory: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MakeLink:
    """A symbolic link."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Mask:
    """Hide a path, if there is one: a file becomes empty, a directory too."""

    path: str


@dataclass(frozen=True, slots=True)
class MakeReadOnly:
    """Make what is at the path, if there is something, read-only."""

    path: str


Step: TypeAlias = (
    MountFilesystem
    | BindMount
    | AttachTerminals
    | MakeDirectory
    | MakeDevices
    | MakeLink
    | Mask
    | MakeReadOnly
)
