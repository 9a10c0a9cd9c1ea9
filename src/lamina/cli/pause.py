"""`lamina pause`: hold the processes of containers."""

from __future__ import annotations

import click

from lamina.cli.app import App, timestamp
from lamina.cli.named import for_each


@click.command(epilog="Example: lamina pause web")
@click.argument("containers", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(app: App, containers: tuple[str, ...]) -> int:
    """Hold all processes of containers where they are."""
    from lamina.lifecycle.pause import pause

    store = app.engine.store

    def act(text: str) -> None:
        pause(store, store.containers.find(text), timestamp())
        click.echo(text)

    return for_each(containers, act)
