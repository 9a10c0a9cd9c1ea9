"""`--runtime`: which program makes the container."""

from __future__ import annotations

import os
from typing import Any

from lamina.cli.declared import Option

OPTIONS = (
    Option(
        "--runtime",
        default="",
        metavar="NAME|PATH",
        help="runc, crun or another program that takes bundles (default: our own).",
    ),
)
_EMBEDDED = {"", "lamina"}


def runtime(options: dict[str, Any]) -> str:
    """As `Settings.runtime` has it: an absolute path, or empty for our own.

    Raises NoRuntime.
    """
    if options["runtime"] in _EMBEDDED:
        return ""
    from lamina.run.external import find_runtime

    return find_runtime(options["runtime"], os.environ.get("PATH", os.defpath))
