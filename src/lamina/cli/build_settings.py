"""What a build is asked for beside the Dockerfile: arguments, labels, platforms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamina.cli.build_run import run_settings
from lamina.cli.named import host_platform
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.build.stage import Settings
    from lamina.oci.platform import Platform


class BadOption(Invalid):
    """An option's value that makes no sense."""


def settings(given: Mapping[str, Any]) -> list[Settings]:
    """One for each platform.  Raises BadOption, BadPlatform."""
    from lamina.build.stage import Settings

    first, *others = platforms(given["platforms"])
    found = Settings(
        host_platform(None),
        first,
        pairs(given["build_args"], "build argument", os.environ),
        given["target"],
        labels=pairs(given["labels"], "label", {}),
        **run_settings(given),
    )
    import dataclasses

    return [found, *(dataclasses.replace(found, platform=each) for each in others)]


def platforms(texts: Sequence[str]) -> list[Platform]:
    """Every platform of `--platform`, which may be given more than once and may be a list; this
    host's when there is none.  Raises BadOption, BadPlatform."""
    host = host_platform(None)
    names = [name.strip() for text in texts for name in text.split(",")]
    found = [host if name == "local" else host_platform(name) for name in names]
    for place, each in enumerate(found):
        if each in found[:place]:
            raise BadOption(f"--platform has {each} twice")
    return found or [host]


def pairs(texts: Sequence[str], what: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`NAME=VALUE` each; a name alone takes its value from `environment`, if it is there."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise BadOption(f"not a {what}: {text!r}", hint="write NAME=VALUE")
        if equals or what == "label":
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found
