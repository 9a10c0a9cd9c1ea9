"""The network of a container, as `run` and `create` take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lamina.network.request import NetworkRequest

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """Add the options to a command."""
    option = click.option("--network", "--net", default="", metavar="NAME", help="A network.")
    return option(command)


def network_request(options: dict[str, Any]) -> NetworkRequest:
    """What the options ask for."""
    from lamina.network.request import NetworkRequest

    return NetworkRequest(mode=options["network"])


def exposed(options: dict[str, Any]) -> tuple[str, ...]:
    """The ports of `--expose`, `80/tcp` each."""
    return ()
