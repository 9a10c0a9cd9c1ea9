"""RUN of another platform's programs: the kernel hands them to an emulator, if it has one."""

from __future__ import annotations

from pathlib import Path

from lamina.errors import Unsupported
from lamina.linux.binfmt import REGISTRY, handlers, program_head


class NoEmulator(Unsupported):
    """Nothing on this host runs the programs of an image."""


def require_emulator(platform: str, registry: Path = REGISTRY) -> None:
    """Raise NoEmulator unless programs for `platform` (os/architecture[/variant]) run here,
    in containers too."""
    architecture = platform.split("/")[1]
    head = program_head(architecture)
    found = [each for each in handlers(registry) if each.takes(head)]
    if any(each.reaches_containers for each in found):
        return
    if found:
        raise NoEmulator(
            f"programs for {platform} do not run in containers here: {found[0].name} is"
            " registered without the flag F",
            hint="install qemu-user-static, and register it again",
        )
    raise NoEmulator(
        f"programs for {platform} do not run on this host",
        hint="install qemu-user-static and binfmt-support; or let this stage run here with"
        " FROM --platform=$BUILDPLATFORM",
    )
