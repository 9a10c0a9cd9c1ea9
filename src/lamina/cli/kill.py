"""`lamina kill`: send containers a signal."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.named import for_each


@click.command(epilog="Example: lamina kill -s HUP web")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@click.option("-s", "--signal", "name", default="KILL", show_default=True, metavar="SIGNAL")
@click.pass_obj
def command(app: App, containers: tuple[str, ...], name: str) -> int:
    """Kill containers, or send their first process another signal."""
    from lamina.lifecycle.stop import kill, signal_number

    store = app.containers
    number = signal_number(name)

    def act(text: str) -> None:
        kill(store, store.containers.find(text), number, timestamp)
        click.echo(text)

    return for_each(containers, act)
