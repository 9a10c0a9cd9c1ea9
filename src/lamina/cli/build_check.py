"""`lamina build --check`: what the checks find in a Dockerfile; nothing is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.dockerfile.instruction import Dockerfile
    from lamina.oci.platform import Platform

F = TypeVar("F", bound=Callable[..., Any])
_FOUND = 3
"""Exit status when a check does not hold."""


def check_options(command: F) -> F:
    """Add `check`."""
    return click.option("--check", is_flag=True, help="Check the Dockerfile and build nothing.")(
        command
    )


def run_checks(
    app: App,
    dockerfile: Dockerfile,
    *,
    build_args: Mapping[str, str],
    platform: Platform,
    hidden: Callable[[str], bool] | None,
    environment: Callable[[str], Mapping[str, str] | None],
    image_platform: Callable[[str], str | None] = lambda _: None,
    as_json: bool,
) -> int:
    """Print what the checks find; the exit status is 0 when that is nothing, else 3.

    `hidden` says whether an ignore file hides a path of the context with all that is
    below it; `environment` and `image_platform` tell of a base image by its name, None
    when they do not know it.  Raises DockerfileError, BadCheckOption.
    """
    from lamina.cli.format import emit, to_json
    from lamina.cli.named import host_platform
    from lamina.cli.reports import paper
    from lamina.dockerfile.check_walk import Surroundings
    from lamina.dockerfile.checks import findings
    from lamina.report import build_checks

    around = Surroundings(
        platform=str(platform),
        build_platform=str(host_platform(None)),
        is_image_name=is_image_name,
        build_args=build_args,
        environment=environment,
        image_platform=image_platform,
        hidden=hidden,
    )
    found = findings(dockerfile, around)
    if as_json:
        emit(to_json(build_checks.as_json(dockerfile.source, found), indent=2))
    else:
        emit(build_checks.as_text(dockerfile.source, found, paper(app)))
    return _FOUND if found else 0


def is_image_name(text: str) -> bool:
    """Whether a text can name an image."""
    from lamina.oci.reference import BadReference, Reference

    try:
        Reference.parse(text)
    except BadReference:
        return False
    return True
