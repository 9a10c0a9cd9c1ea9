"""`lamina build --help`: options under headings, by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lamina.cli.sections import SectionedCommand


class BuildCommand(SectionedCommand):
    """The command `build`."""

    sections: ClassVar[Mapping[str, str]] = {
        "Dockerfile and files": "file contexts target build_args platforms pull check",
        "Image": "tags labels slim layers",
        "RUN": "secrets agents network hosts grants shm_size limits memory isolation",
        "Cache": "no_cache anew cache_from cache_to explain_cache",
        "Reproducible builds and attestations": (
            "reproducible verify_reproducible attests sbom provenance"
        ),
        "Output": "outputs push load iidfile metadata_file quiet progress report",
    }
