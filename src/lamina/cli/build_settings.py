"""What a build is asked for beside the Dockerfile: arguments, labels, platforms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamina.cli.build_run import run_settings
from lamina.cli.named import host_platform
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.cli.build_context import Gathered
    from lamina.oci.platform import Platform
    from lamina.plan.stage import Settings


class BadOption(Invalid):
    """An option's value that makes no sense."""


def settings(given: Mapping[str, Any]) -> list[Settings]:
    """One for each platform.  Raises BadOption, BadPlatform, BadRunOption."""
    from lamina.plan.stage import Settings

    arguments = pairs(given["build_args"], "build argument", os.environ)
    labels = pairs(given["labels"], "label", {})
    common = run_settings(given)
    host = host_platform(None)
    return [
        Settings(host, each, arguments, given["target"], labels=labels, **common)
        for each in platforms(given["platforms"])
    ]


def with_contexts(asked: Sequence[Settings], gathered: Gathered) -> list[Settings]:
    """The same, with the names of the contexts that were opened."""
    from msgspec.structs import replace

    return [
        replace(each, contexts=gathered.names, images=frozenset(gathered.images)) for each in asked
    ]


def platforms(texts: Sequence[str]) -> list[Platform]:
    """Every platform of `--platform`, which may be given more than once and may be a list; this
    host's when there is none.  Raises BadOption, BadPlatform."""
    host = host_platform(None)
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):
        raise BadOption("--platform has an empty platform in it")
    found = [host if name == "local" else host_platform(name) for name in names]
    for place, each in enumerate(found):
        if each in found[:place]:
            raise BadOption(f"--platform has {each} twice")
        if each.os != "linux":
            raise BadOption(f"{each} cannot be built for", hint="images of Linux alone are built")
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
    for name, value in found.items():
        if not _is_text(name + value):
            raise BadOption(f"a {what} is not UTF-8: {name!r}")
    return found


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
