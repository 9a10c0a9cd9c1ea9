"""`lamina slim IMAGE -t NEW`: every hidden byte taken out, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lamina.cli.app import App

F = TypeVar("F", bound=Callable[..., Any])


def repack_options(command: F) -> F:
    """What `run` reads of its own."""
    command = click.option(
        "--flatten", is_flag=True, help="Make all layers one, the base's too: nothing is shared."
    )(command)
    return click.option(
        "--squash-from",
        metavar="N|base",
        default="",
        help="Make layer N and all above it one, or all above the base.",
    )(command)


def run(app: App, image: str | None, given: dict[str, Any]) -> int:
    """Repack `image`; the exit status."""
    raise NotImplementedError
