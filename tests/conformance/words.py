"""What cases call the machine that they run on."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.oci.platform import Platform


def words(machine: str) -> Mapping[str, str]:
    """PLATFORM and ARCH, as Dockerfiles have them, of what `uname -m` prints."""
    platform = Platform.of_machine(machine)
    return {"PLATFORM": str(platform), "ARCH": platform.architecture}
