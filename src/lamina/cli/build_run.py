"""What RUN is given on `lamina build`: its network, names of hosts; secrets, agents, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lamina.build.means import Means

F = TypeVar("F", bound=Callable[..., Any])


def run_options(command: F) -> F:
    """Options whose values are keyword arguments of `means`, and `network` and `hosts`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--network",
        type=click.Choice(["default", "host", "none"]),
        default="default",
        help="The network of RUN.",
    ),
    click.option(
        "--add-host",
        "hosts",
        multiple=True,
        metavar="NAME:ADDRESS",
        help="A line in /etc/hosts for RUN.",
    ),
)


def means(given: dict[str, Any]) -> Means:
    """What the options grant to RUN."""
    from lamina.build.means import Means

    return Means()
