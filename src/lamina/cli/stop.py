"""`lamina stop`: ask containers to end, and see to it that they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lamina.cli.app import App, timestamp
from lamina.cli.named import for_each

F = TypeVar("F", bound=Callable[..., Any])


def stop_options(command: F) -> F:
    """How a container is asked to end: `timeout`, and the signal as `name`."""
    for option in (
        click.option(
            "-s", "--signal", "name", default="", metavar="SIGNAL", help="What to send first."
        ),
        click.option(
            *("-t", "--timeout", "--time"),
            type=int,
            metavar="SECONDS",
            help="Before it is killed (10).",
        ),
    ):
        command = option(command)
    return command


@click.command(epilog="Example: lamina stop -t 30 db")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@stop_options
@click.pass_obj
def command(app: App, containers: tuple[str, ...], timeout: int | None, name: str) -> int:
    """Stop containers: their own stop signal, and SIGKILL when that was not enough."""
    from lamina.lifecycle.stop import signal_number, stop

    store = app.containers
    number = signal_number(name) if name else None

    def act(text: str) -> None:
        stop(store, store.containers.find(text), timestamp, timeout=timeout, number=number)
        click.echo(text)

    return for_each(containers, act)
