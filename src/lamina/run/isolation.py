"""How commands can run here: what the kernel allows this process, tried once and kept.

A container wants namespaces of its own and an overlay over its layers.  In a container of
somebody else's, or in a pod of a CI system, one or both may be refused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from lamina.errors import Unsupported
from lamina.linux import ability

FUSE = "fuse-overlayfs"
_DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_CHROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT")
_NOT_AN_UPPER = "invalid argument"
"""What overlayfs says of an upper directory on a file system that cannot have one."""


class Way(msgspec.Struct, frozen=True):
    """How a command is set apart, and what stands for the overlay over its layers."""

    isolation: Literal["namespaces", "chroot"] = "namespaces"
    layers: Literal["overlay", "elsewhere", "fuse", "copies"] = "overlay"
    """`overlay`: the kernel's, over the layers, with the upper directory in the store.
    `elsewhere`: over a plain copy of them, with the upper directory in `place`.
    `fuse`: the same by the program `place`.  `copies`: a plain copy, written to in place."""
    place: Path | None = None
    reason: str = ""
    """Why it is not the usual way; empty when it is."""

    @property
    def usual(self) -> bool:
        """Whether this is how containers run on a host of their own."""
        return self.isolation == "namespaces" and self.layers == "overlay"

    @property
    def sentence(self) -> str:
        """What a build says of it, in one line."""
        how = {
            "overlay": "RUN works as usual",
            "elsewhere": f"RUN works over a plain copy, and writes to {self.place}",
            "fuse": f"RUN works over {FUSE}",
            "copies": "RUN works on plain copies",
        }[self.layers]
        apart = ", isolated by chroot" if self.isolation == "chroot" else ""
        return f"{self.reason or 'as asked'}: {how}{apart}"


class NoWay(Unsupported):
    """No command can run here at all."""

    def __init__(self, reason: str, lacking: Sequence[str]) -> None:
        what = ", ".join(f"CAP_{name}" for name in lacking)
        super().__init__(
            f"RUN cannot work here: {reason}, and chroot needs root with {what}",
            hint="run as root without --cap-drop, or with --privileged; COPY, pull, explain,"
            " slim and push need none of it",
        )


class NotAContainer(Unsupported):
    """No container can be made here."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"containers cannot run here: {reason}",
            hint="give this container more: docker run --privileged, or --cap-add SYS_ADMIN"
            " --security-opt seccomp=unconfined; `lamina build` works without",
        )


@cache
def way(store: Path, *, chroot: bool = False) -> Way:
    """How a command of a build runs whose layers are in the store at `store`; with `chroot`,
    that has been chosen.  Raises NoWay."""
    if chroot:
        if lacking := _lacking():
            raise NoWay("chroot was asked for", lacking)
        return Way("chroot", "copies")
    if refused := ability.no_namespaces():
        reason = f"no namespaces here ({refused})"
        if lacking := _lacking():
            raise NoWay(reason, lacking)
        return Way("chroot", "copies", reason=reason)
    # There, what is left by whoever is killed meanwhile is swept.
    if not (refused := ability.no_overlay(store / "layers")):
        return Way()
    reason = f"no overlay mounts here ({refused})"
    if refused == _NOT_AN_UPPER:
        reason = "no overlay in the store's file system"
    if found := _elsewhere(reason):
        return found
    if program := _fuse():
        return Way(layers="fuse", place=program, reason=reason)
    return Way(layers="copies", reason=reason)


def _elsewhere(reason: str) -> Way | None:
    for place in dict.fromkeys((tempfile.gettempdir(), "/var/tmp")):  # noqa: S108
        if os.access(place, os.W_OK) and not ability.no_overlay(Path(place)):
            return Way(layers="elsewhere", place=Path(place), reason=reason)
    return None


def _lacking() -> list[str]:
    return list(_CHROOT) if os.geteuid() else ability.missing(_CHROOT)


def _fuse() -> Path | None:
    """The program, if it is installed and may serve a file system."""
    for directory in _DIRECTORIES:
        program = Path(directory, FUSE)
        if os.access(program, os.X_OK):
            return None if ability.no_fuse() else program
    return None
