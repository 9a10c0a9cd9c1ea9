"""What `lamina build` is told about its cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.build.cache import Importer

F = TypeVar("F", bound=Callable[..., Any])


def cache_options(command: F) -> F:
    """`no_cache`, `anew`, and what `importers` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--no-cache", is_flag=True, help="Carry out every step again."),
    click.option(
        "--no-cache-filter",
        "anew",
        multiple=True,
        metavar="STAGE",
        help="Carry out the steps of this stage again.",
    ),
)


def importers(app: App, given: dict[str, Any]) -> Sequence[Importer]:
    """Where else results may come from."""
    return ()
